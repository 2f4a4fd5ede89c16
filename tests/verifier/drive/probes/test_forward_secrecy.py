"""Opened tunnels: TLS with fresh keys, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.verifier.drive.probes.hellos import (
    CHOSEN,
    PRE_SHARED_KEY,
    client_hello,
    client_share,
    extension,
    made_tls,
    real_tls,
    record,
    server_hello,
    server_share,
    stream,
)
from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of
from verifier.drive.probes.canaries import make_canary
from verifier.drive.probes.encapsulated import Stream
from verifier.drive.probes.forward_secrecy import judge_streams, probe_forward_secrecy
from verifier.errors import FetchError, ParseError, VerificationError

CANARY = make_canary()
WORD = CANARY.word().encode()
ONE, OTHER = Stream(*made_tls(b"c1", b"s1")), Stream(*made_tls(b"c2", b"s2"))

SILENT = Stream(
    record(client_hello(CHOSEN, client_share(b"c3")), 22),
    record(server_hello(CHOSEN, server_share(b"s3")), 22),
)


def numbered(*streams: Stream) -> Mapping[bytes, Stream]:
    return {bytes((number,)): each for number, each in enumerate(streams)}


def test_real_connections_that_carried_words_are_closed() -> None:
    answers = [real_tls(b"POST / HTTP/1.1\r\n\r\n" + WORD, WORD) for _ in range(2)]
    words = judge_streams(numbered(*(Stream(*each) for each in answers)), CANARY)
    assert words.startswith("2 tunnels carry TLS 1.3 alone, ")
    assert words.endswith((" fresh keys of X25519MLKEM768", " fresh keys of X25519"))


def test_made_connections_are_counted() -> None:
    assert judge_streams(numbered(ONE, OTHER), CANARY) == (
        "2 tunnels carry TLS 1.3 alone, 4 protected records, with fresh keys of X25519"
    )


def test_a_word_in_an_opened_tunnel_is_named() -> None:
    there, back = made_tls(b"c2", b"s2")
    open_ = Stream(there, back + record(WORD))
    with pytest.raises(VerificationError) as caught:
        judge_streams(numbered(ONE, open_), CANARY)
    assert fields_of(caught) == (
        "opened tunnel",
        "no word of the client",
        f"tunnel 1, back, offset {len(back) + 5}: as it is",
    )


def test_http_in_an_opened_tunnel_is_named() -> None:
    with pytest.raises(VerificationError) as caught:
        judge_streams(numbered(Stream(b"GET / HTTP/1.1\r\n\r\n", b""), OTHER), CANARY)
    assert fields_of(caught) == (
        "opened tunnel",
        "no HTTP in the open",
        "tunnel 0, there, offset 6: HTTP/1.",
    )


@pytest.mark.parametrize("again", [made_tls(b"c1", b"s2"), made_tls(b"c2", b"s1")])
def test_a_share_of_another_session_is_caught(again: tuple[bytes, bytes]) -> None:
    with pytest.raises(VerificationError) as caught:
        judge_streams(numbered(ONE, Stream(*again)), CANARY)
    assert fields_of(caught) == (
        "key share",
        "a new one in each session",
        "one of another session",
    )


def test_a_secret_of_an_earlier_session_is_caught() -> None:
    hello = client_hello(CHOSEN, client_share(b"c2"), extension(PRE_SHARED_KEY, b"old"))
    with pytest.raises(VerificationError) as caught:
        judge_streams(numbered(ONE, Stream(stream(hello), OTHER.back)), CANARY)
    assert fields_of(caught) == ("TLS hello", "fresh keys alone", "pre_shared_key")


def test_what_is_no_tls_is_refused() -> None:
    with pytest.raises(ParseError):
        judge_streams(numbered(ONE, Stream(b"hello", b"HELLO")), CANARY)


@pytest.mark.parametrize(
    ("streams", "got"),
    [
        ((), "0 with no protected records"),
        ((ONE,), "1 with 2 protected records"),
        ((ONE, SILENT), "2 with 2 and 0 protected records"),
    ],
)
def test_too_little_shows_nothing(streams: tuple[Stream, ...], got: str) -> None:
    with pytest.raises(FetchError) as caught:
        judge_streams(numbered(*streams), CANARY)
    assert fields_of(caught) == (
        "recording of relay-gateway",
        "2 tunnels or more, each with records",
        got,
    )


def test_nothing_is_seen_where_nobody_watches_or_hands_over() -> None:
    assert probe_forward_secrecy(World().lab(watched=False)) == {}
    assert probe_forward_secrecy(World().lab()) == {}
