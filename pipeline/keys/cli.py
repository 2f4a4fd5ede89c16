"""The command line of the keys: ``init`` once, then ``account`` for everybody who may have tokens.

The files are those that the roles read, and clients and the log are given: see
docs/spec/path-roles.md.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.keys.statement import NewKey, encode_key_statement
from verifier.errors import AuditError
from verifier.wire.ohttp import SECRET_SIZE, gateway_key
from verifier.wire.ohttp_keys import Suite
from verifier.wire.token_challenge import encode_token_challenge
from verifier.wire.token_key import EXPONENT, MODULUS_SIZE, encode_token_key, parse_token_key

__all__ = ["main"]

_SUITES = (Suite(0x0001, 0x0001),)
_OHTTP = ("AES-128-GCM", "DHKEM(X25519, HKDF-SHA256)", "HKDF-SHA256")
_TOKEN = ("Blind RSA (2048-bit)",)
_BEARER_SIZE = 24  # bytes of an account's secret
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@click.group()
def main() -> None:
    """Keys of the private path."""


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--origin", required=True, help="Name of the gateway, such as gateway.example.com.")
@click.option("--issuer-name", help="Name of the issuer. Default: the origin, after 'issuer.'.")
@click.option("--days", type=click.IntRange(1, 366), default=30, help="Validity from now on.")
def init(directory: Path, *, origin: str, issuer_name: str | None, days: int) -> None:
    """Make the keys of an issuer and a gateway in DIRECTORY, which must not have any.

    key-configuration/issuer.json and gateway.json there are to be published in the log.
    """
    issuer = issuer_name or f"issuer.{origin}"
    start = datetime.now(UTC).replace(second=0, microsecond=0)
    try:
        encode_token_challenge(issuer_name=issuer, context=b"", origins=(origin,))
        _make(directory, start, start + timedelta(days=days))
        _write(directory / "path.json", _json({"authority": origin, "issuerName": issuer}), 0o644)
    except (AuditError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"made keys in {directory}; publish {directory}/key-configuration/*.json", err=True)


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.option("--per-day", type=click.IntRange(1, 1_000_000), default=100, help="Tokens a day.")
def account(directory: Path, name: str, *, per_day: int) -> None:
    """Give NAME an account with the issuer of DIRECTORY; its bearer secret goes to stdout.

    The issuer reads its accounts when it starts.
    """
    if _ACCOUNT.fullmatch(name) is None:
        message = f"a name like {_ACCOUNT.pattern}"
        raise click.BadParameter(message)
    accounts = directory / "issuer" / "accounts"
    bearer = secrets.token_hex(_BEARER_SIZE)
    line = f"{name} {per_day} {sha256(bearer.encode()).hexdigest()}\n"
    try:
        with accounts.open("r+", encoding="utf-8") as file:
            known = file.read()
            if any(each.startswith(f"{name} ") for each in known.splitlines()):
                message = f"{name} has an account"
                raise click.ClickException(message)
            # A hand that edited the file may have left out the end of its last line.
            file.write("\n" + line if known and not known.endswith("\n") else line)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    except UnicodeDecodeError:
        message = f"{accounts} is no text"
        raise click.ClickException(message) from None
    click.echo(bearer)


def _make(directory: Path, start: datetime, end: datetime) -> None:
    for folder, mode in (("issuer", 0o700), ("gateway", 0o700), ("key-configuration", 0o755)):
        (directory / folder).mkdir(mode=mode, parents=True, exist_ok=True)
    signing = rsa.generate_private_key(public_exponent=EXPONENT, key_size=8 * MODULUS_SIZE)
    pem = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(directory / "issuer" / "token-key.pem", pem, 0o600)
    _write(directory / "issuer" / "accounts", b"", 0o600)
    token = parse_token_key(encode_token_key(signing.public_key().public_numbers().n))
    _write(directory / "key-configuration" / "issuer-key.der", token.raw, 0o644)

    secret, key_id = secrets.token_bytes(SECRET_SIZE), secrets.randbelow(256)
    gateway = gateway_key(key_id=key_id, secret=secret, suites=_SUITES).public.raw
    private = _json({"keyId": key_id, "secret": secret.hex()})
    _write(directory / "gateway" / "ohttp-key.json", private, 0o600)

    for role, key in (
        ("issuer", NewKey("token-key", "token", token.key_id, _TOKEN, token.raw)),
        ("gateway", NewKey("ohttp-key", "ohttp", bytes((key_id,)), _OHTTP, gateway)),
    ):
        statement = encode_key_statement(role, key, not_before=start, not_after=end)
        _write(directory / "key-configuration" / f"{role}.json", statement, 0o644)


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        # Exclusive, so that no key is overwritten, and never readable by others.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        message = f"{path} exists: keys are not overwritten"
        raise click.ClickException(message) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
