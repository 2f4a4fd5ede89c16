"""Getting tokens: how many, for whom, from which key, and what a dishonest issuer achieves."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.verifier.client.scripted import Scripted, http, scripted
from tests.verifier.wire.path_messages import issuer
from verifier.client.deadline import Deadline
from verifier.client.tokens import Tokens
from verifier.client.web import parse_url
from verifier.errors import AuditError, FetchError, ParseError, VerificationError
from verifier.wire.blind_signing import blind_sign
from verifier.wire.token import Token, verify_token
from verifier.wire.token_challenge import encode_token_challenge
from verifier.wire.token_issuance import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    RESPONSE_MEDIA_TYPE,
    DirectoryKey,
    IssuerDirectory,
    encode_directory,
    parse_token_request,
)
from verifier.wire.token_key import TokenKey, encode_token_key, parse_token_key

SIGNER, KEY = issuer()
OTHER = parse_token_key(encode_token_key((1 << 2047) + 0x10001))
SECRET = "0123456789abcdef" * 2
CHALLENGE = encode_token_challenge(
    issuer_name="issuer.test", context=b"", origins=("gateway.test",)
)
PROBLEM = "application/problem+json"


def directory(*keys: TokenKey, uri: str = "/sign") -> bytes:
    return encode_directory(IssuerDirectory(uri, tuple(DirectoryKey(key, 0) for key in keys)))


def sign(body: bytes) -> bytes:
    factor = 1 + secrets.randbelow(SIGNER.public.modulus - 1)
    return blind_sign(SIGNER, parse_token_request(body).blinded_message, factor=factor)


@contextlib.contextmanager
def issuing(
    listed: bytes | None = None, signed: Callable[[bytes], bytes] | None = None
) -> Iterator[Scripted]:
    """An issuer of ``KEY``; ``listed`` is another directory, ``signed`` makes another answer."""

    def answer(body: bytes) -> bytes:
        if not body:
            return http(listed or directory(KEY), DIRECTORY_MEDIA_TYPE)
        return signed(body) if signed else http(sign(body), RESPONSE_MEDIA_TYPE)

    with scripted(answer) as server:
        yield server


def tokens(server: Scripted, prefetch: int = 3) -> Tokens:
    url = parse_url(server.url, what="issuer")
    return Tokens(url, account=SECRET, challenge=CHALLENGE, prefetch=prefetch)


def soon() -> Deadline:
    return Deadline.after(10)


def test_tokens_are_asked_for_ahead_and_are_all_different() -> None:
    with issuing() as server:
        kept = tokens(server)
        assert server.heads == []
        taken = [kept.take(KEY, deadline=soon()) for _ in range(4)]
    for token in taken:
        verify_token(token, keys=(KEY,), challenge=CHALLENGE)
    assert len({token.nonce for token in taken}) == 4
    targets = [head.split(b" HTTP")[0].decode() for head in server.heads]
    assert targets == [f"GET {DIRECTORY_PATH}", *["POST /sign"] * 6]
    assert len(set(server.bodies)) == 7
    assert f"Authorization: Bearer {SECRET}".encode() in server.heads[1]
    assert SECRET.encode() not in server.heads[0]


def test_the_order_of_spending_is_not_that_of_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Token] = []
    ask = Tokens._asked

    def remembering(self: Tokens, *arguments: Any) -> Token:
        asked.append(ask(self, *arguments))
        return asked[-1]

    monkeypatch.setattr(Tokens, "_asked", remembering)
    with issuing() as server:
        first = [tokens(server, 2).take(KEY, deadline=soon()) for _ in range(24)]
    assert {asked.index(token) % 2 for token in first} == {0, 1}


def test_a_new_key_makes_old_tokens_worthless() -> None:
    with issuing(directory(KEY, OTHER)) as server:
        kept = tokens(server)
        kept.take(KEY, deadline=soon())
        with pytest.raises(VerificationError):  # this issuer signs with the first key alone
            kept.take(OTHER, deadline=soon())
        assert kept.take(KEY, deadline=soon()).key_id == KEY.key_id
    asked = [head for head in server.heads if head.startswith(b"GET")]
    assert len(asked) == 3


def test_a_poisoned_signature_is_no_token() -> None:
    poison = http(b"\x01" * 256, RESPONSE_MEDIA_TYPE)
    with issuing(signed=lambda _: poison) as server, pytest.raises(VerificationError) as caught:
        tokens(server).take(KEY, deadline=soon())
    assert "signature" in f"{caught.value.what} {caught.value.expected}"
    assert len(server.heads) == 2


def test_an_issuer_that_marks_with_a_key_of_its_own() -> None:
    with issuing(directory(OTHER)) as server, pytest.raises(VerificationError) as caught:
        tokens(server).take(KEY, deadline=soon())
    error = caught.value
    assert (error.what, error.expected, error.got) == (
        "keys of the issuer",
        KEY.key_id.hex(),
        OTHER.key_id.hex(),
    )
    assert len(server.heads) == 1  # nobody was asked for a token, and no account named


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://elsewhere.example/sign", "a place at 127.0.0.1:"),
        ("http://127.0.0.1:9/sign", "a place at 127.0.0.1:"),
        ("http://elsewhere.example/sign", "https, or a role on this machine"),
        ("/sign?who=alice", "a URL like"),
    ],
)
def test_the_secret_of_the_account_goes_to_the_issuer_alone(uri: str, expected: str) -> None:
    with issuing(directory(KEY, uri=uri)) as server, pytest.raises(ParseError) as caught:
        tokens(server).take(KEY, deadline=soon())
    assert caught.value.expected.startswith(expected)
    assert len(server.heads) == 1


def test_a_whole_uri_of_the_same_issuer() -> None:
    def answer(body: bytes) -> bytes:
        if body:
            return http(sign(body), RESPONSE_MEDIA_TYPE)
        return http(directory(KEY, uri=f"{server.url}/else"), DIRECTORY_MEDIA_TYPE)

    with scripted(answer) as server:
        assert tokens(server, 1).take(KEY, deadline=soon()).key_id == KEY.key_id
        assert server.heads[1].startswith(b"POST /else ")


@pytest.mark.parametrize(
    ("answer", "error", "got"),
    [
        (http(b"{}", PROBLEM, 401), FetchError, f"status 401 with '{PROBLEM}'"),
        (http(b"{}", PROBLEM, 429), FetchError, f"status 429 with '{PROBLEM}'"),
        (http(b"x" * 256, "text/html"), FetchError, "status 200 with 'text/html'"),
        (http(b"x" * 255, RESPONSE_MEDIA_TYPE), ParseError, "255"),
        (http(b"x" * 5000, RESPONSE_MEDIA_TYPE), ParseError, "more"),
    ],
)
def test_an_issuer_that_gives_none(answer: bytes, error: type[AuditError], got: str) -> None:
    with issuing(signed=lambda _: answer) as server, pytest.raises(error) as caught:
        tokens(server).take(KEY, deadline=soon())
    assert caught.value.got == got


@pytest.mark.parametrize("listed", [b"{}", b"x" * 20_000])
def test_a_directory_that_is_none(listed: bytes) -> None:
    with issuing(listed) as server, pytest.raises(ParseError):
        tokens(server).take(KEY, deadline=soon())
    assert len(server.heads) == 1


@pytest.mark.parametrize("account", ["", "short", "a" * 300, "0123456789abcdef\r\nX: y", "ä" * 20])
def test_a_secret_that_no_field_can_carry(account: str) -> None:
    url = parse_url("http://127.0.0.1:9", what="issuer")
    with pytest.raises(ValueError, match="not the bearer secret"):
        Tokens(url, account=account, challenge=CHALLENGE, prefetch=1)


@pytest.mark.parametrize("prefetch", [0, 65])
def test_a_number_of_tokens_that_is_refused(prefetch: int) -> None:
    url = parse_url("http://127.0.0.1:9", what="issuer")
    with pytest.raises(ValueError, match="prefetch is 1 to 64"):
        Tokens(url, account=SECRET, challenge=CHALLENGE, prefetch=prefetch)
