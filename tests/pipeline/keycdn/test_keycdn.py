"""The key CDN: one document, the same bytes for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import making
from tests.pipeline.roles import Running, refused_start, running
from verifier.wire.key_configuration import (
    KEYS_MEDIA_TYPE,
    KEYS_PATH,
    MAX_ENTRY,
    LoggedConfiguration,
    parse_key_document,
)

LOG = making.Log((b'{"first": 1}', b'{"second": 2}'))


def logged(folder: Path, index: int) -> Path:
    place = folder / f"logged-{index}"
    place.mkdir()
    (place / "entry.json").write_bytes(LOG.entries[index])
    (place / "entry.tlog-proof").write_bytes(LOG.proof(index))
    return place


@pytest.fixture(scope="module")
def keycdn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("keycdn")
    options = ("--logged", logged(folder, 0), "--logged", logged(folder, 1))
    with running("keycdn", *options, folder=folder / "role") as found:
        yield found


def test_the_logged_bytes_are_given_out_with_their_proofs(keycdn: Running) -> None:
    reply = keycdn.ask("GET", KEYS_PATH)
    assert (reply.status, reply.fields["content-type"]) == (200, KEYS_MEDIA_TYPE)
    assert parse_key_document(reply.body) == tuple(
        LoggedConfiguration(entry, LOG.proof(index)) for index, entry in enumerate(LOG.entries)
    )


def test_everybody_gets_the_same_bytes_and_fields(keycdn: Running) -> None:
    head = f"GET {KEYS_PATH} HTTP/1.1\r\nHost: {{}}\r\n{{}}Connection: close\r\n\r\n"
    replies = {
        keycdn.send(head.format(host, fields).encode())
        for host, fields in (
            ("a", ""),
            ("b.example", "Cookie: who=alice\r\nUser-Agent: x\r\nAccept-Encoding: gzip, br\r\n"),
            ("a", "Accept: text/html\r\nIf-None-Match: x\r\nRange: bytes=0-9\r\n"),
            ("a", "Authorization: Bearer x\r\nAccept-Language: de\r\nX-Forwarded-For: 1.2.3.4\r\n"),
        )
    }
    (reply,) = replies
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


def test_files_that_change_later_do_not_count(tmp_path: Path) -> None:
    place = logged(tmp_path, 0)
    with running("keycdn", "--logged", place, folder=tmp_path / "role") as keycdn:
        before = keycdn.ask("GET", KEYS_PATH)
        (place / "entry.json").write_bytes(b"for one client only")
        assert keycdn.ask("GET", KEYS_PATH) == before
        assert keycdn.stop() == {"answers": 2, "failures": 0, "refusals": 0}


def test_nothing_else_is_answered(keycdn: Running) -> None:
    for target in ("/", f"{KEYS_PATH}?client=1", f"{KEYS_PATH}/", f"/{KEYS_PATH}", "/%2e"):
        refusal = (404, "target", "target", KEYS_PATH, repr(target))
        assert keycdn.ask("GET", target).refusal == refusal
    reply = keycdn.ask("POST", KEYS_PATH, b"x")
    assert reply.refusal == (405, "method", "method", "GET", "'POST'")
    assert reply.fields["allow"] == "GET"
    reply = keycdn.ask("GET", KEYS_PATH, b"x")
    assert reply.refusal == (413, "length", "body", "at most 0 bytes", "1")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda place: (place / "entry.json").unlink(), "No such file or directory"),
        (lambda place: (place / "entry.json").write_bytes(b""), ": 0 (expected 1 to "),
        (lambda place: (place / "entry.json").write_bytes(bytes(MAX_ENTRY + 1)), ": 65536 ("),
        (lambda place: (place / "entry.tlog-proof").write_bytes(b""), ": 0 (expected 1 to "),
    ],
    ids=["missing", "empty", "long", "proof"],
)
def test_without_usable_files_there_is_no_key_cdn(
    tmp_path: Path, spoil: object, reason: str
) -> None:
    place = logged(tmp_path, 0)
    assert callable(spoil)
    spoil(place)
    line = refused_start("keycdn", "--logged", place, "--log", tmp_path / "log")
    assert line.startswith("Error: ")
    assert reason in line


def test_one_configuration_twice_is_refused(tmp_path: Path) -> None:
    place = logged(tmp_path, 0)
    options = ("--logged", place, "--logged", place, "--log", tmp_path / "log")
    assert "one of them twice" in refused_start("keycdn", *options)
