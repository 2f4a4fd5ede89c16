from __future__ import annotations

import io
import stat
import zipfile

import pytest

from pipeline.image.lock import WHEEL
from pipeline.image.taking import take_wheel
from pipeline.image.tree import Tree
from pipeline.image.wheel import read_wheel
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import locked, wheel
from verifier.errors import ParseError, UnsupportedError, VerificationError

RAW = wheel("typing-extensions", "4.1", {"typing_extensions.py": b"pass\n", "a/b.py": b""})
ITEM = locked("typing-extensions", RAW, role=WHEEL, version="4.1")


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


METADATA = ("typing_extensions-4.1.dist-info/METADATA", b"Name: typing_extensions\nVersion: 4.1\n")


def test_a_wheel_is_read_without_its_metadata() -> None:
    assert read_wheel(RAW, ITEM) == {"typing_extensions.py": b"pass\n", "a/b.py": b""}


def test_names_are_compared_as_they_are_normalised() -> None:
    assert read_wheel(zipped(METADATA, ("a/", b""), ("x.py", b"")), ITEM) == {"x.py": b""}


def test_a_wheel_that_is_cut_off_is_refused() -> None:
    with refused(
        ParseError, "typing-extensions 4.1", expected="a wheel", got="File is not a zip file"
    ):
        read_wheel(RAW[:100], ITEM)


def test_a_changed_byte_of_a_member_is_refused() -> None:
    raw = RAW.replace(b"pass\n", b"fail\n", 1)
    got = "Bad CRC-32 for file 'typing_extensions.py'"
    with refused(ParseError, "typing-extensions 4.1", expected="a wheel", got=got):
        read_wheel(raw, ITEM)


def test_a_member_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        raw = zipped(METADATA, ("x.py", b"1"), ("x.py", b"2"))
    with refused(ParseError, str(ITEM), expected="each member once", got="'x.py' twice"):
        read_wheel(raw, ITEM)


def test_a_link_is_refused() -> None:
    link = zipfile.ZipInfo("x.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with refused(ParseError, f"{ITEM}, 'x.py'", expected="a file", got="another thing"):
        read_wheel(zipped(METADATA, (link, b"/etc/passwd")), ITEM)


def test_files_outside_of_packages_are_refused() -> None:
    name = "typing_extensions-4.1.data/scripts/run"
    with refused(UnsupportedError, str(ITEM), expected="files in packages only", got=name):
        read_wheel(zipped(METADATA, (name, b"")), ITEM)


def test_another_wheel_than_the_locked_one_is_refused() -> None:
    raw = wheel("typing-extensions", "4.2", {})
    with refused(
        VerificationError,
        f"{ITEM}, METADATA",
        expected="typing-extensions 4.1",
        got="typing-extensions 4.2",
    ):
        read_wheel(raw, ITEM)


def test_a_wheel_without_metadata_is_refused() -> None:
    with refused(ParseError, f"{ITEM}, METADATA", expected="one", got="0"):
        read_wheel(zipped(("x.py", b"")), ITEM)


def test_a_member_that_leaves_the_tree_is_refused() -> None:
    for name in ("../x.py", "/x.py", "a\nb.py"):
        with pytest.raises(ParseError) as caught:
            take_wheel(Tree(), {name: b""}, folder="usr/lib/cvm/packages", item=ITEM)
        assert caught.value.what == f"{ITEM}, path"
        assert caught.value.expected == "a path inside the tree, of plain characters"
        assert caught.value.got == repr(f"usr/lib/cvm/packages/{name}")
