from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import bundle
from verifier.errors import ParseError
from verifier.evidence.bundle import MANIFEST, MAX_FILES, MAX_MEMBER, parse_bundle
from verifier.evidence.bundle_tar import MAX_TAR, encode_bundle_tar, parse_bundle_tar

FILES = {MANIFEST: b"{}", "m/a": b"x" * 513, "m/b": b"", "m/c": b"y" * 512}
RAW = encode_bundle_tar(FILES)


def test_the_files_come_back() -> None:
    assert parse_bundle_tar(RAW) == FILES
    assert parse_bundle_tar(encode_bundle_tar({})) == {}


def test_other_programs_read_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(RAW)) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == sorted(FILES)
        assert {(m.mode, m.uid, m.gid, m.mtime, m.uname) for m in members} == {(0o644, 0, 0, 0, "")}
        for member in members:
            content = archive.extractfile(member)
            assert content is not None
            assert content.read() == FILES[member.name]


def test_a_bundle_travels_in_it() -> None:
    files = bundle({"snp-report": b"R" * 10})
    assert parse_bundle(parse_bundle_tar(encode_bundle_tar(files))) == parse_bundle(files)


@given(
    st.dictionaries(st.from_regex(r"[a-z0-9/.]{1,100}", fullmatch=True), st.binary(max_size=2000))
)
def test_there_and_back(files: dict[str, bytes]) -> None:
    raw = encode_bundle_tar(files)
    assert parse_bundle_tar(raw) == files
    assert len(raw) % 512 == 0


def test_every_changed_byte_is_noticed() -> None:
    for place in range(len(RAW)):
        changed = bytearray(RAW)
        changed[place] ^= 1
        with contextlib.suppress(ParseError):
            assert parse_bundle_tar(bytes(changed)) != FILES, place


@given(st.binary(max_size=3000))
def test_garbage_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(ParseError):
        parse_bundle_tar(raw + b"x")


def foreign(**fields: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("m/a")
        for name, value in fields.items():
            setattr(member, name, value)
        archive.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[:-1],
        RAW + b"\0",
        RAW[:-512],
        RAW[:-1024] + RAW,
        foreign(mtime=1),
        foreign(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        foreign(type=tarfile.DIRTYPE),
        foreign(mode=0o4755),
        foreign(uname="root"),
    ],
)
def test_another_tar_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError, match="bundle tar"):
        parse_bundle_tar(raw)


def test_limits() -> None:
    with pytest.raises(ParseError, match=f"at most {MAX_TAR} bytes"):
        parse_bundle_tar(bytes(MAX_TAR + 1))
    huge = encode_bundle_tar({"a": b""}).replace(b"00000000000\0", b"77777777777\0", 1)
    with pytest.raises(ParseError, match="the header of a plain file"):
        parse_bundle_tar(huge)
    many = encode_bundle_tar({f"{number:03}": b"" for number in range(MAX_FILES + 1)})
    with pytest.raises(ParseError, match=f"more \\(expected at most {MAX_FILES} files"):
        parse_bundle_tar(many)
    with pytest.raises(ValueError, match="101 bytes"):
        encode_bundle_tar({"a" * 101: b""})
    assert MAX_MEMBER < MAX_TAR
