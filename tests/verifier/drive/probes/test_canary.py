"""The search for a user's words in what hops carried and roles wrote."""

from __future__ import annotations

import base64
import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import exchange, fields_of, message, recording, role
from verifier.drive.probes import canary as module
from verifier.drive.probes.canaries import Hay, make_canary
from verifier.drive.probes.canary import (
    EXCERPT,
    excerpts,
    hay_of_consoles,
    hay_of_recordings,
    hay_of_role,
    judge_hay,
    judge_kept,
    probe_canary,
    send_words,
)
from verifier.drive.tap import Direction, Piece, Recording
from verifier.drive.tied import FILE_LIMIT
from verifier.errors import FetchError, VerificationError

CANARY = make_canary()
WORD = CANARY.word().encode()
OK = (b"HTTP/1.1 200 OK",)


def test_hops_without_a_word_are_counted() -> None:
    hay = (*hay_of_recordings("relay-gateway", (recording(b"1234", b"56"), recording(b"", b"7"))),)
    assert [each.place for each in hay] == [
        "relay-gateway, connection 0, there",
        "relay-gateway, connection 0, back",
        "relay-gateway, connection 1, there",
        "relay-gateway, connection 1, back",
    ]
    assert judge_hay(CANARY, hay) == 7


@pytest.mark.parametrize(
    ("planted", "offset", "spelling"),
    [
        (WORD, 8, "as it is"),
        (WORD.hex().encode(), 8, "in hex"),
        (base64.b64encode(b"x" + WORD), 10, "in base64, 1 bytes after a boundary"),
        (gzip.compress(WORD), 8, "as it is, in gzip"),
    ],
)
@pytest.mark.parametrize("way", ["there", "back"])
def test_a_word_on_a_hop_is_named_with_its_place(
    planted: bytes, offset: int, spelling: str, way: str
) -> None:
    content = b"12345678" + planted
    second = recording(content) if way == "there" else recording(b"", content)
    with pytest.raises(VerificationError) as caught:
        judge_hay(CANARY, hay_of_recordings("client-relay", (recording(b"fine"), second)))
    assert fields_of(caught) == (
        "words of the client",
        "no word of the client, in any spelling",
        f"client-relay, connection 1, {way}, offset {offset}: {spelling}",
    )


def test_a_word_that_came_in_two_pieces_is_found() -> None:
    cut = recording(WORD[:5]), recording(WORD[5:])
    assert judge_hay(CANARY, hay_of_recordings("hop", cut)) == len(WORD)  # other connections
    whole = recording(b"ab" + WORD)
    pieces = (whole.pieces[0], recording(WORD).pieces[0])
    joined = type(whole)(whole.peer, 0.0, None, pieces)
    with pytest.raises(VerificationError):
        judge_hay(CANARY, hay_of_recordings("hop", (joined,)))


def test_every_file_of_a_role_is_searched(tmp_path: Path) -> None:
    found = role(tmp_path / "gateway")
    (found.directory / "deeper").mkdir()
    (found.directory / "deeper" / "spent.sqlite").write_bytes(b"pages" + WORD)
    (found.directory / "link").symlink_to("/etc/hostname")
    places = [each.place for each in hay_of_role(found)]
    assert places == [
        "gateway: file counts.log",
        "gateway: file deeper/spent.sqlite",
        "gateway: names of files",
    ]
    with pytest.raises(VerificationError) as caught:
        judge_hay(CANARY, hay_of_role(found))
    assert caught.value.got == "gateway: file deeper/spent.sqlite, offset 5: as it is"


def test_a_log_elsewhere_and_names_of_files_are_searched_too(tmp_path: Path) -> None:
    made = role(tmp_path / "relay", "relay")
    elsewhere = tmp_path / "relay.log"
    elsewhere.write_bytes(WORD)
    found = type(made)(name="relay", pid=1, log=elsewhere, directory=made.directory)
    with pytest.raises(VerificationError) as caught:
        judge_hay(CANARY, hay_of_role(found))
    assert caught.value.got == f"relay: file {elsewhere}, offset 0: as it is"
    elsewhere.write_bytes(b"")
    (made.directory / WORD.decode()).touch()
    with pytest.raises(VerificationError) as caught:
        judge_hay(CANARY, hay_of_role(found))
    assert caught.value.got.startswith("relay: names of files, offset ")


def test_a_file_that_is_too_long_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 14)
    found = role(tmp_path / "issuer", "issuer")
    with pytest.raises(FetchError) as caught:
        list(hay_of_role(found))
    assert fields_of(caught) == (str(found.log), "at most 14 bytes", "more")


def test_a_file_that_may_have_been_cut_says_nothing(tmp_path: Path) -> None:
    # Whoever fills a file or a console up to the limit says what it likes beyond it.
    found = role(tmp_path / "relay", "relay")
    found.log.write_bytes(bytes(FILE_LIMIT - 1))
    assert judge_hay(CANARY, hay_of_role(found)) > FILE_LIMIT
    found.log.write_bytes(bytes(FILE_LIMIT))
    with pytest.raises(FetchError) as caught:
        list(hay_of_role(found))
    assert fields_of(caught) == (str(found.log), f"at most {FILE_LIMIT - 1} bytes", "more")
    lab = replace(World().lab(), consoles=lambda: (found.log,))
    with pytest.raises(FetchError):
        list(hay_of_consoles(lab))


def test_a_folder_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    found = role(tmp_path / "issuer", "issuer")
    gone = type(found)(name="issuer", pid=1, log=found.log, directory=tmp_path / "gone")
    with pytest.raises(FetchError) as caught:
        list(hay_of_role(gone))
    assert fields_of(caught) == (
        str(tmp_path / "gone"),
        "a file of a role",
        "No such file or directory",
    )


SEALED, TOKEN, SHORT = os.urandom(100), os.urandom(259), b"short"
HELLO, PROMPT = os.urandom(60), os.urandom(60)
LATER = Recording(
    ("127.0.0.1", 1), 0.0, None, tuple(Piece(Direction.THERE, 1.0, x) for x in (HELLO, PROMPT))
)


def passed() -> list[Hay]:
    relayed = recording(message(SEALED) + message(SHORT), message(TOKEN, OK) + message(b"", OK))
    fetched = recording(message(b""), message(b'{"issuer-request-uri": "/token-request"}', OK))
    return [
        *excerpts("client-relay", (relayed,)),
        *excerpts("client-issuer", (fetched,)),
        *excerpts("gateway-cvm-0", (recording(HELLO, SHORT), LATER)),
    ]


def test_messages_are_known_by_random_bytes_of_theirs() -> None:
    assert passed() == [
        Hay("client-relay", SEALED[EXCERPT]),
        Hay("client-relay", TOKEN[EXCERPT]),
        Hay("gateway-cvm-0", HELLO[EXCERPT]),
        Hay("gateway-cvm-0", HELLO[EXCERPT]),
        Hay("gateway-cvm-0", PROMPT[EXCERPT]),
    ]
    assert exchange(SEALED, TOKEN).request.body == SEALED


def test_roles_that_keep_nothing_pass(tmp_path: Path) -> None:
    assert judge_kept(passed(), [*hay_of_role(role(tmp_path / "relay"))]) == 5


@pytest.mark.parametrize(
    ("written", "got"),
    [
        (b'{"body": "' + SEALED.hex().encode(), "offset 32: bytes of client-relay, in hex"),
        (b"12" + TOKEN, "offset 13: bytes of client-relay, as it is"),
        (
            base64.b64encode(HELLO),
            "offset 15: bytes of gateway-cvm-0, in base64, 2 bytes after a boundary",
        ),
        (b"later: " + PROMPT, "offset 18: bytes of gateway-cvm-0, as it is"),
    ],
)
def test_a_role_that_keeps_what_it_carried_is_named(
    tmp_path: Path, written: bytes, got: str
) -> None:
    found = role(tmp_path / "relay", "relay")
    found.log.write_bytes(written)
    with pytest.raises(VerificationError) as caught:
        judge_kept(passed(), [*hay_of_role(found)])
    assert fields_of(caught) == (
        "what a role wrote",
        "nothing of what a role carried",
        f"relay: file counts.log, {got}",
    )


def test_the_words_come_back_in_answers_or_the_search_says_nothing() -> None:
    client = World().lab().new_client()
    assert send_words(client, CANARY) >= 5
    mute = World().lab().new_client()
    vars(mute).update(
        summarise=lambda *_, **__: ("Nothing.",),
        rewrite=lambda *_, **__: (),
        chat=lambda *_, **__: "Noted.",
    )
    with pytest.raises(FetchError) as caught:
        send_words(mute, CANARY)
    assert fields_of(caught) == ("answers to the canary", "its words in some", "none in 2")


def test_nothing_is_seen_where_nobody_watches() -> None:
    assert probe_canary(World().lab(watched=False)) == {}
    assert probe_canary(World().lab()) == {}  # no roles here
