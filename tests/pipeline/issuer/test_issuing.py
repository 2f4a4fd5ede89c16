"""The issuer: blind signatures for accounts, and nothing that says what they are for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tests.pipeline.roles import (
    Client,
    PathKeys,
    Reply,
    Running,
    challenge,
    refused_start,
    running,
)
from verifier.wire.token import verify_token
from verifier.wire.token_issuance import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    REQUEST_MEDIA_TYPE,
    RESPONSE_MEDIA_TYPE,
    TokenRequest,
    encode_token_request,
    parse_directory,
)

TARGET = "/token-request"


@pytest.fixture(scope="module")
def issuer(path_keys: PathKeys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("issuer")
    options = path_keys.issuer_options(folder / "issued.sqlite")
    with running("issuer", *options, folder=folder) as found:
        yield found


def request(keys: PathKeys, **changes: object) -> bytes:
    members: dict[str, object] = {
        "truncated_key_id": keys.token.truncated_key_id,
        "blinded_message": bytes(255) + b"\x02",
    }
    return encode_token_request(TokenRequest(**(members | changes)))  # type: ignore[arg-type] # members of both types


def post(issuer: Running, keys: PathKeys, body: bytes, bearer: str | None = None) -> Reply:
    fields = {"Content-Type": REQUEST_MEDIA_TYPE}
    authorization = f"Bearer {keys.bearer if bearer is None else bearer}"
    return issuer.ask("POST", TARGET, body, fields | {"Authorization": authorization})


def test_a_token_is_issued_that_verifies(issuer: Running, path_keys: PathKeys) -> None:
    client = Client("", path_keys.ohttp, issuer.url, path_keys.bearer)
    first, second = client.token(path_keys), client.token(path_keys)
    for token in (first, second):
        verify_token(token, keys=(path_keys.token,), challenge=challenge())
    assert first.nonce != second.nonce


def test_the_answer_is_a_blind_signature_and_nothing_else(
    issuer: Running, path_keys: PathKeys
) -> None:
    body = request(path_keys)
    reply = post(issuer, path_keys, body)
    assert reply.status == 200
    assert reply.fields == {
        "content-type": RESPONSE_MEDIA_TYPE,
        "cache-control": "no-store",
        "content-length": "256",
        "connection": "close",
    }
    key = path_keys.token.rsa
    assert pow(int.from_bytes(reply.body, "big"), key.exponent, key.modulus) == 2
    # Blinding of the issuer's own does not show: the signature is the one that there is.
    assert post(issuer, path_keys, body).body == reply.body


def test_the_directory_names_the_key_and_the_way(issuer: Running, path_keys: PathKeys) -> None:
    reply = issuer.ask("GET", DIRECTORY_PATH)
    assert (reply.status, reply.fields["content-type"]) == (200, DIRECTORY_MEDIA_TYPE)
    directory = parse_directory(reply.body)
    assert directory.request_uri == TARGET
    assert [item.key for item in directory.keys] == [path_keys.token]


def test_without_an_account_there_is_no_token(issuer: Running, path_keys: PathKeys) -> None:
    reply = post(issuer, path_keys, request(path_keys), bearer="0" * 48)
    expected = "Bearer and the secret of an account"
    assert reply.refusal == (401, "account", "Authorization", expected, "an unknown secret")
    assert reply.fields["www-authenticate"] == "Bearer"
    fields = {"Content-Type": REQUEST_MEDIA_TYPE}
    reply = issuer.ask("POST", TARGET, request(path_keys), fields)
    assert reply.refusal == (401, "account", "Authorization", expected, "no such field")


def test_malformed_requests_are_refused(issuer: Running, path_keys: PathKeys) -> None:
    good = request(path_keys)
    known = path_keys.token.truncated_key_id
    other = (known + 1) % 256
    for body, field, expected, got in (
        (good[:-1], "token request", "259 bytes", "258"),
        (b"\x00\x01" + good[2:], "type of the token request", "0x0002", "0x0001"),
        (
            request(path_keys, truncated_key_id=other),
            *("key of the token request", f"{known:#04x}", f"{other:#04x}"),
        ),
        (
            request(path_keys, blinded_message=b"\xff" * 256),
            *("blinded message", "a number below the modulus", "a larger one"),
        ),
    ):
        reply = post(issuer, path_keys, body)
        assert reply.refusal == (422, "token-request", field, expected, got)
    reply = post(issuer, path_keys, good + b"x")
    assert reply.refusal == (413, "length", "body", "at most 259 bytes", "260")
    reply = issuer.ask("POST", TARGET, good, {"Content-Type": "application/json"})
    assert reply.refusal[:4] == (415, "media-type", "Content-Type", REQUEST_MEDIA_TYPE)


def test_the_daily_limit_survives_a_kill(path_keys: PathKeys, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    line = (path_keys.folder / "issuer" / "accounts").read_text("ascii")
    accounts.write_text(line.replace(" 1000 ", " 2 "))
    options = (
        *("--key", path_keys.folder / "issuer", "--accounts", accounts),
        *("--issued", tmp_path / "issued.sqlite"),
    )
    body = request(path_keys)
    with running("issuer", *options, folder=tmp_path, check=False) as issuer:
        assert post(issuer, path_keys, body[:-1] + b"\x03").status == 200
        assert post(issuer, path_keys, body[:-1]).status == 422  # costs nothing
        issuer.process.kill()
        issuer.process.wait()
    with running("issuer", *options, folder=tmp_path) as issuer:
        assert post(issuer, path_keys, body).status == 200
        reply = post(issuer, path_keys, body)
        what = "tokens of this account today"
        assert reply.refusal == (429, "account-limit", what, "at most 2", "one more")
        assert issuer.stop() == {
            "accounts_refused": 1,
            "answers": 1,
            "failures": 0,
            "refusals": 1,
            "requests_malformed": 0,
            "tokens": 1,
        }


def test_nothing_that_came_is_written_down(path_keys: PathKeys, tmp_path: Path) -> None:
    options = path_keys.issuer_options(tmp_path / "issued.sqlite")
    blinded = bytes(1) + b"canary" * 42 + bytes(3)
    with running("issuer", *options, folder=tmp_path) as issuer:
        assert post(issuer, path_keys, request(path_keys, blinded_message=blinded)).status == 200
        assert post(issuer, path_keys, b"canary").status == 422
        issuer.stop()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"alice" in written  # how many tokens an account had today
    assert b"canary" not in written
    assert path_keys.bearer.encode() not in written
    assert b"127.0.0.1" not in written


def test_an_unusable_key_is_refused_without_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "issuer"
    folder.mkdir()
    options = ("--key", folder, "--accounts", os.devnull, "--issued", tmp_path / "issued")
    path = folder / "token-key.pem"
    path.touch(0o600)
    usual = rsa.generate_private_key(65_537, 2048)
    for content, got in (
        (b"secret words", "something else"),
        (pem(usual, BestAvailableEncryption(b"x")), "something else"),
        (pem(rsa.generate_private_key(65_537, 3072)), "something else"),
        (pem(rsa.generate_private_key(3, 2048)), "a key with another exponent"),
        (pem(Ed25519PrivateKey.generate()), "a key of another kind"),
    ):
        path.write_bytes(content)
        line = refused_start("issuer", *options, "--log", tmp_path / "log")
        expected = "an RSA key for tokens, of 2048 bits, with the exponent 65537, no password"
        assert line == f"Error: {path}: {got} (expected {expected})"
    path.write_bytes(pem(usual))
    path.chmod(0o640)
    line = refused_start("issuer", *options, "--log", tmp_path / "log")
    expected = "a regular file that only its owner can read (mode 0600)"
    assert line == f"Error: {path}: -rw-r----- (expected {expected})"


def pem(
    key: rsa.RSAPrivateKey | Ed25519PrivateKey, lock: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())
