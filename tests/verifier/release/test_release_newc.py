from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import FILE, FOLDER, LINK, TRAILER, archive, record, tree
from verifier.errors import ParseError
from verifier.release.newc import parse_newc

A = record("a", b"hello")


def refused(raw: bytes) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_newc(raw)
    return caught.value


def test_every_field_is_read() -> None:
    fields = {"uid": 1, "gid": 2, "mtime": 3, "ino": 4, "rdevmajor": 5, "rdevminor": 6}
    raw = archive(record("d", mode=FOLDER), record("d/x", b"content", FILE | 0o111, **fields))
    folder, entry = parse_newc(raw)
    assert (folder.name, folder.content, folder.is_file) == ("d", b"", False)
    assert (entry.name, entry.content, entry.permissions) == ("d/x", b"content", 0o755)
    assert (entry.uid, entry.gid, entry.mtime, entry.ino, entry.device) == (1, 2, 3, 4, (5, 6))
    assert entry.is_file
    assert not entry.is_link


def test_links_devices_and_upper_case() -> None:
    raw = archive(record("l", b"target", LINK), record("n", mode=0o20666, rdevmajor=1))
    upper = raw.replace(b"0000a1ff", b"0000A1FF")
    assert upper != raw
    link, node = parse_newc(upper)
    assert (link.is_link, link.content) == (True, b"target")
    assert node.is_device


def test_an_archive_may_be_padded_and_empty() -> None:
    assert parse_newc(TRAILER) == ()
    assert len(parse_newc(archive(A) + bytes(512))) == 1


@pytest.mark.parametrize(
    ("raw", "what", "got"),
    [
        (b"", "cpio entry at byte 0", "b''"),
        (A, "cpio entry at byte 120", "b''"),
        (archive(A)[:-1], "cpio entry at byte 120", "0000"),
        (archive(A).replace(b"070701", b"070702", 1), "cpio entry at byte 0", "b'070702'"),
        (archive(A) + b"x", "cpio", "other bytes"),
        (archive(A) + archive(A), "cpio", "other bytes"),
        (archive(A, A), "cpio", "'a' twice"),
        (archive(record("a/b")), "cpio entry a/b", "another or none"),
        (archive(A, record("a/b")), "cpio entry a/b", "another or none"),
        (archive(record("../a")), "cpio entry at byte 0", "'../a'"),
        (archive(record("/a")), "cpio entry at byte 0", "'/a'"),
        (archive(record("a//b")), "cpio entry at byte 0", "'a//b'"),
        (archive(record(".")), "cpio entry at byte 0", "'.'"),
        (archive(record("a\nb")), "cpio entry at byte 0", r"'a\nb'"),
        (archive(record("a\x1b[1m")), "cpio entry at byte 0", r"'a\x1b[1m'"),
        (archive(record(b"a\xff")), "cpio entry at byte 0", "byte 1 is not"),
        (archive(record(b"a\0b")), "cpio entry at byte 0", r"b'a\x00b\x00'"),
        (archive(record("a", namesize=1)), "cpio entry at byte 0", "0"),
        (archive(record("a", namesize=5000)), "cpio entry at byte 0", "4999"),
        (archive(record("a", check=1)), "cpio entry at byte 0", "1"),
        (archive(record("a", b"x", nlink=2)), "cpio entry at byte 0, a", "2 links"),
        (archive(record("a", mode=0o20666, nlink=2)), "cpio entry at byte 0, a", "2 links"),
        (archive(record("a", b"", LINK)), "cpio entry at byte 0, a", "0 bytes, b''"),
        (archive(record("a", b"/x\0y", LINK)), "cpio entry at byte 0, a", r"4 bytes, b'/x\x00y'"),
        (archive(record("a", b"/x\n", LINK)), "cpio entry at byte 0, a", r"3 bytes, b'/x\n'"),
        (
            archive(record("a", b"/" * 4097, LINK)),
            "cpio entry at byte 0, a",
            f"4097 bytes, b'{'/' * 58}… (4097 long)",
        ),
        (archive(record("a", b"x", FOLDER)), "cpio entry at byte 0, a", "1 bytes"),
        (archive(record("a", mode=0o140644)), "cpio entry at byte 0, a", "mode 140644"),
        (archive(record("a", size=2**31)), "cpio entry at byte 0", "124"),
        (A + record("TRAILER!!!", b"abcd", 0), "cpio entry at byte 120", "4 bytes"),
    ],
)
def test_what_is_refused(raw: bytes, what: str, got: str) -> None:
    error = refused(raw)
    assert (error.what, error.got) == (what, got)


def test_padding_must_be_zero() -> None:
    raw = bytearray(archive(A))
    raw[len(A) - 1] = 1
    assert refused(bytes(raw)).expected == "3 zeros of padding"


def test_a_field_that_is_no_number() -> None:
    assert "hex" in refused(archive(A).replace(b"000081a4", b"0000 1a4", 1)).expected


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.binary(max_size=40)))
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    assert {entry.name: entry.content for entry in parse_newc(tree(files))} == files


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_crashes_the_reader(place: int, change: int) -> None:
    raw = bytearray(tree({"a/b": b"hello", "c": b"\x7fELF"}))
    raw[place % len(raw)] ^= change
    with contextlib.suppress(ParseError):
        assert len(parse_newc(bytes(raw))) <= 3
