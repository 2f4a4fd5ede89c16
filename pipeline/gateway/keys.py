"""The gateway's private key as a file, and the issuer's public one.

A key file is JSON: ``keyId`` (0 to 255) and ``secret`` (32 bytes in hex). The suite is fixed: a
choice of suites would be one more thing to tell clients by.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.role.secret_file import read_secret
from verifier.errors import AuditError, PolicyError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json
from verifier.wire.ohttp import SECRET_SIZE, GatewayKey, gateway_key
from verifier.wire.ohttp_keys import Suite
from verifier.wire.token_key import TOKEN_KEY_SIZE, TokenKey, parse_token_key

__all__ = ["KEY_FILE", "SUITES", "read_gateway_key", "read_issuer_key"]

KEY_FILE = "ohttp-key.json"
"""Name of the private key in the gateway's folder."""

SUITES = (Suite(0x0001, 0x0001),)
"""HKDF-SHA256 with AES-128-GCM, which RFC 9458 section 3.1 wants from everybody."""

_MAX_FILE = 4096


def read_gateway_key(folder: Path) -> GatewayKey:
    """The private key in ``folder``. Raises PolicyError, without the content; and OSError."""
    path = folder / KEY_FILE
    raw = read_secret(path, limit=_MAX_FILE)
    try:
        document = JsonObject(parse_json(raw, what=str(path)), what=str(path))
        key_id = document.integer("keyId", maximum=255)
        secret = document.hex("secret", size=SECRET_SIZE)
        document.end()
        return gateway_key(key_id=key_id, secret=secret, suites=SUITES)
    except (AuditError, ValueError):
        raise PolicyError(str(path), expected="a gateway's key", got="something else") from None


def read_issuer_key(path: Path) -> TokenKey:
    """The public key of an issuer, as clients are given it. Raises ParseError, and OSError."""
    with path.open("rb") as file:
        return parse_token_key(file.read(TOKEN_KEY_SIZE + 1))
