from __future__ import annotations

import io
import lzma
import tarfile
from dataclasses import replace

import pytest

from pipeline.image.compression import decompress_xz
from pipeline.image.deb import parse_deb, read_members
from pipeline.image.tar_archive import DIRECTORY, FILE, HARD_LINK, SYMBOLIC_LINK, read_tar
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import ar, deb, locked, tar
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError

FILES: dict[str, bytes | str] = {
    "usr/bin/x": b"program",
    "usr/lib/y": "../bin/x",
    "a/" + "long" * 40 + "/name": b"far away",
    "b": "to/" + "far" * 50,
}
RAW = deb("x", FILES)
ITEM = locked("x", RAW)


def test_a_package_is_read() -> None:
    members = {member.name: member for member in read_members(RAW, ITEM)}
    assert members["./"].kind == DIRECTORY
    assert bytes(members["./usr/bin/x"].content) == b"program"
    assert (members["./usr/bin/x"].kind, members["./usr/bin/x"].mode) == (FILE, 0o755)
    assert (members["./usr/lib/y"].kind, members["./usr/lib/y"].target) == (
        SYMBOLIC_LINK,
        "../bin/x",
    )
    assert bytes(members["./a/" + "long" * 40 + "/name"].content) == b"far away"
    assert members["./b"].target == "to/" + "far" * 50


def test_a_package_that_is_cut_off_is_refused_wherever_it_is_cut() -> None:
    for length in range(len(RAW)):
        with pytest.raises((ParseError, UnsupportedError)) as caught:
            parse_deb(RAW[:length], what="x 1.0-1")
        assert caught.value.what.startswith("x 1.0-1"), length
    end = len(RAW) - 10
    size = len(lzma.compress(tar(FILES), preset=0))
    with refused(
        ParseError,
        "x 1.0-1, data.tar.xz",
        expected=f"{size} bytes",
        got=f"{size - 10 + size % 2} bytes: it is cut off",
    ):
        parse_deb(RAW[:end], what="x 1.0-1")


def test_what_follows_a_package_is_refused() -> None:
    with refused(ParseError, "x, after data.tar.xz", expected="the end", got="1 bytes"):
        parse_deb(RAW + b"\n", what="x")


@pytest.mark.parametrize("name", ["data.tar.zst", "data.tar.gz", "data.tar"])
def test_another_compression_is_refused_by_name(name: str) -> None:
    control = lzma.compress(tar({"control": b""}))
    raw = ar({"debian-binary": b"2.0\n", "control.tar.xz": control, name: b"x"})
    place = len(raw) - 62
    with refused(
        UnsupportedError, f"x, member at byte {place}", expected="data.tar.xz", got=repr(name)
    ):
        parse_deb(raw, what="x")


def test_a_foreign_member_is_refused() -> None:
    raw = ar({"debian-binary": b"2.0\n", "_gpgorigin": b"x"})
    with refused(ParseError, "x, member at byte 72", expected="control.tar.xz", got="'_gpgorigin'"):
        parse_deb(raw, what="x")


def test_another_format_version_is_refused() -> None:
    members = {"debian-binary": b"3.0\n", "control.tar.xz": b"", "data.tar.xz": b""}
    with refused(UnsupportedError, "x, debian-binary", expected="2.0", got=r"b'3.0\n'"):
        parse_deb(ar(members), what="x")


def test_a_page_of_a_portal_is_no_package() -> None:
    with refused(ParseError, "x", expected="a Debian package", got="b'<!doctyp'"):
        parse_deb(b"<!doctype html>", what="x")


@pytest.mark.parametrize("member", ["name", "version", "architecture"])
def test_another_package_than_the_locked_one_is_refused(member: str) -> None:
    other = {"name": "y", "version": "2", "architecture": "all"}[member]
    item = replace(ITEM, **{member: other})  # type: ignore[arg-type] # one text for another
    expected = f"{item.name} {item.version} {item.architecture}"
    with refused(VerificationError, f"{item}, control", expected=expected, got="x 1.0-1 amd64"):
        read_members(RAW, item)


def test_a_control_file_says_everything_once() -> None:
    twice = tar({"control": b"Package: x\nPackage: y\nVersion: 1\nArchitecture: all\n"})
    none = tar({"md5sums": b""})
    for control, expected, got in (
        (twice, "Package, Version and Architecture, each once", "Architecture, Package, Version"),
        (none, "./control", "it is missing"),
    ):
        members = {"debian-binary": b"2.0\n", "control.tar.xz": lzma.compress(control)}
        raw = ar({**members, "data.tar.xz": lzma.compress(tar({}))})
        with refused(ParseError, "x, control", expected=expected, got=got):
            parse_deb(raw, what="x")


def test_xz_is_undone_within_a_limit() -> None:
    packed = lzma.compress(bytes(1000))
    assert decompress_xz(packed, limit=1000, what="x") == bytes(1000)
    for raw, limit, expected, got in (
        (packed, 999, "at most 999 bytes", "more"),
        (packed[:-1], 1000, "a whole xz stream", "one that is cut off"),
        (packed + b"x", 1000, "one xz stream", "something after it"),
        (b"BZh91AY&SY" * 4, 1000, "xz", "Input format not supported by decoder"),
    ):
        with refused(ParseError, "x", expected=expected, got=got):
            decompress_xz(raw, limit=limit, what="x")


def special(kind: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        member = tarfile.TarInfo("./x")
        member.type = kind
        member.linkname = "./y"
        archive.addfile(member)
    return stream.getvalue()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_special_files_are_refused(kind: bytes) -> None:
    with refused(
        UnsupportedError,
        "x, header at byte 0",
        expected="a file, a directory or a link",
        got=f"type {kind!r}",
    ):
        list(read_tar(special(kind), what="x"))


def test_a_hard_link_is_told_from_a_file() -> None:
    (member,) = read_tar(special(tarfile.LNKTYPE), what="x")
    assert (member.kind, member.target) == (HARD_LINK, "./y")


def test_every_byte_of_a_header_counts() -> None:
    raw = tar({"x": b"content"}, directories=False)
    for place in range(500):  # the last 12 bytes of a header are padding, and counted as well
        changed = bytearray(raw)
        changed[place] ^= 0x04
        with pytest.raises(AuditError) as caught:
            list(read_tar(bytes(changed), what="x"))
        assert caught.value.what.startswith("x, header at byte 0")


def test_a_tar_that_is_cut_off_is_refused() -> None:
    raw = tar({"x": b"content"}, directories=False)
    for length in (0, 100, 512, 1000, 1024, 1536):
        with pytest.raises(ParseError) as caught:
            list(read_tar(raw[:length], what="x"))
        assert caught.value.what.startswith("x, ")
    with refused(ParseError, "x, byte 1024", expected="two zero blocks", got="another end"):
        list(read_tar(raw[:2048] + b"x", what="x"))
