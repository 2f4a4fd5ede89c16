"""What would tie a token to its account: a copy, a key, a challenge, a nonce."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import exchange, fields_of
from tests.verifier.drive.probes.tunnels import challenge, issued, issuer
from verifier.drive.probes.token_linkage import (
    WINDOW,
    Spent,
    judge_issued,
    judge_linkage,
    probe_token_linkage,
    shared_window,
)
from verifier.errors import FetchError, VerificationError
from verifier.wire.token import Token, parse_token

_, KEY = issuer(0)
ISSUED = [issued() for _ in range(3)]
SPENT = tuple(Spent(number % 2, token) for number, (token, _, _) in enumerate(ISSUED))
SEEN = tuple(part for _, request, answer in ISSUED for part in (request, answer))


def changed(token: Token, at: int) -> Token:
    raw = bytearray(token.raw)
    raw[at] ^= 1
    return parse_token(bytes(raw))


def test_tokens_of_two_accounts_say_nothing_of_them() -> None:
    words = judge_linkage(SPENT, SEEN, KEY)
    assert words == "3 tokens of 2 accounts: one key, one challenge, nothing shared"


def test_a_token_of_another_key_is_caught() -> None:
    marked, _, _ = issued(1)
    with pytest.raises(VerificationError) as caught:
        judge_linkage((*SPENT, Spent(1, marked)), SEEN, KEY)
    assert fields_of(caught) == (
        "key of a token of account 1",
        KEY.key_id.hex(),
        issuer(1)[1].key_id.hex(),
    )


def test_a_token_for_another_challenge_is_caught() -> None:
    marked, _, _ = issued(name="other.example")
    with pytest.raises(VerificationError) as caught:
        judge_linkage((*SPENT, Spent(1, marked)), SEEN, KEY)
    assert fields_of(caught) == (
        "challenge of a token of account 1",
        challenge().digest.hex(),
        challenge("other.example").digest.hex(),
    )


@pytest.mark.parametrize("at", [5, -1])  # in the nonce, in the signature
def test_a_token_that_its_key_did_not_sign_is_caught(at: int) -> None:
    with pytest.raises(VerificationError) as caught:
        judge_linkage((replace(SPENT[0], token=changed(SPENT[0].token, at)), SPENT[1]), SEEN, KEY)
    assert caught.value.what == "signature of a token of account 0"


def test_a_nonce_that_comes_twice_is_caught() -> None:
    with pytest.raises(VerificationError) as caught:
        judge_linkage((SPENT[0], replace(SPENT[0], account=1)), SEEN, KEY)
    nonce = SPENT[0].token.nonce.hex()
    assert fields_of(caught) == ("nonce of a token of account 1", "a new one", nonce)


@pytest.mark.parametrize("part", ["nonce", "authenticator"])
def test_a_part_of_a_token_at_its_issuer_is_caught(part: str) -> None:
    copied = getattr(SPENT[1].token, part)[3 : 3 + WINDOW]
    with pytest.raises(VerificationError) as caught:
        judge_linkage(SPENT, (*SEEN, b"X-Trace: " + copied + b"\r\n"), KEY)
    assert fields_of(caught) == (
        "token of account 1",
        "nothing that its issuer saw or said",
        copied.hex(),
    )


@pytest.mark.parametrize(
    ("spent", "got"), [((), "0 of 0"), (SPENT[:1], "1 of 1"), ((SPENT[0], SPENT[2]), "2 of 1")]
)
def test_without_tokens_of_two_accounts_nothing_is_shown(
    spent: tuple[Spent, ...], got: str
) -> None:
    with pytest.raises(FetchError) as caught:
        judge_linkage(spent, SEEN, KEY)
    assert fields_of(caught) == ("recording of relay-gateway", "tokens of 2 accounts", got)


def test_windows_are_shared_from_their_size_on() -> None:
    text = bytes(range(100))
    assert shared_window(text, b"\xff" + text[40 : 40 + WINDOW]) == text[40 : 40 + WINDOW]
    assert shared_window(text, text[40 : 39 + WINDOW]) is None
    assert shared_window(text, bytes(100)) is None


def test_all_that_passed_the_issuer_is_looked_at() -> None:
    directory = exchange(b"", b"{}")
    asked = [exchange(request, answer) for _, request, answer in ISSUED]
    seen = judge_issued((directory, *asked), KEY, tokens=3)
    assert len(seen) == 4 * 4
    assert set(SEEN) <= set(seen)
    assert asked[0].request.head in seen


def test_a_request_under_another_key_is_caught() -> None:
    _, request, answer = ISSUED[0]
    other = bytes((*request[:2], request[2] ^ 1, *request[3:]))
    with pytest.raises(VerificationError) as caught:
        judge_issued((exchange(other, answer),), KEY, tokens=1)
    assert fields_of(caught) == (
        "key of a token request",
        f"{KEY.truncated_key_id:#04x}",
        f"{KEY.truncated_key_id ^ 1:#04x}",
    )


@pytest.mark.parametrize("seen", [0, 1])
def test_tokens_that_were_issued_where_nobody_watched_show_nothing(seen: int) -> None:
    asked = [exchange(request, answer) for _, request, answer in ISSUED[:seen]]
    with pytest.raises(FetchError) as caught:
        judge_issued((exchange(b"", b"{}"), *asked), KEY, tokens=2)
    expected = "requests for 2 tokens or more"
    assert fields_of(caught) == ("recording of client-issuer", expected, str(seen))


def test_nothing_is_seen_where_nobody_watches_or_hands_over() -> None:
    assert probe_token_linkage(World().lab(watched=False)) == {}
    assert probe_token_linkage(World().lab()) == {}
