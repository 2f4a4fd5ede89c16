"""``session-binding/v1``: what a client saw of the TLS session that evidence was given in.

It is the client's own record, kept in its evidence bundle so that REPORT_DATA can be computed
again later. Whoever was not the client has only the client's word for it. Source: design
section 6; schemas/session-binding.v1.schema.json is the public contract.
"""

from __future__ import annotations

from dataclasses import dataclass

import rfc8785

from verifier.errors import ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_hex, parse_json
from verifier.wire.attested_tls import EXPORTER_SIZE, NONCE_SIZE, ROLE

__all__ = [
    "LEVELS",
    "MAX_CERTIFICATE",
    "MAX_SESSION_BINDING",
    "SCHEMA",
    "SessionBinding",
    "encode_session_binding",
    "parse_session_binding",
]

SCHEMA = "cvm-audit/session-binding/v1"

LEVELS = ("exporter",)
"""How evidence is bound to a session: by the exporter value, with a nonce sent after the handshake.
Evidence that binds only the certificate's key could be relayed, and has no level here."""

MAX_CERTIFICATE = 16_384
"""Most bytes of the server's certificate."""

MAX_SESSION_BINDING = 2 * MAX_CERTIFICATE + 4096
"""Most bytes of a document."""

_WHAT = "session binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBinding:
    """A session as its client saw it; believed by no one else.

    ``exporter``, ``nonce``, ``spki_sha256`` and ``sealing_key_sha256`` have 32 bytes.
    ``certificate`` is the DER that the server showed; whether ``spki_sha256`` is of its
    SubjectPublicKeyInfo is not yet checked.
    """

    exporter: bytes
    nonce: bytes
    role: str
    spki_sha256: bytes
    sealing_key_sha256: bytes
    certificate: bytes
    level: str


def parse_session_binding(raw: bytes) -> SessionBinding:
    """Read a document. Raises ParseError."""
    if len(raw) > MAX_SESSION_BINDING:
        expected = f"at most {MAX_SESSION_BINDING} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    document.choice("schema", (SCHEMA,))
    binding = SessionBinding(
        exporter=document.hex("exporter", size=EXPORTER_SIZE),
        nonce=document.hex("nonce", size=NONCE_SIZE),
        role=document.text("role", pattern=ROLE),
        spki_sha256=document.hex("spkiSha256", size=32),
        sealing_key_sha256=document.hex("sealingKeySha256", size=32),
        certificate=_certificate(document),
        level=document.choice("level", LEVELS),
    )
    document.end()
    return binding


def encode_session_binding(binding: SessionBinding) -> bytes:
    """Write a document in its canonical form (RFC 8785), on one line; ValueError if none can."""
    raw = rfc8785.dumps(
        {
            "certificate": binding.certificate.hex(),
            "exporter": binding.exporter.hex(),
            "level": binding.level,
            "nonce": binding.nonce.hex(),
            "role": binding.role,
            "schema": SCHEMA,
            "sealingKeySha256": binding.sealing_key_sha256.hex(),
            "spkiSha256": binding.spki_sha256.hex(),
        }
    )
    try:
        parse_session_binding(raw + b"\n")
    except ParseError as error:
        message = f"not a session binding: {error}"
        raise ValueError(message) from error
    return raw + b"\n"


def _certificate(document: JsonObject) -> bytes:
    # Written here and not as JsonObject.hex, because a certificate has no fixed size.
    text = document.text("certificate", pattern=rf"[0-9a-f]{{2,{2 * MAX_CERTIFICATE}}}")
    return parse_hex(text, what=f"{_WHAT}.certificate")
