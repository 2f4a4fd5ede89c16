from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from pipeline.image.compile.toolchain_root import unpack_toolchain
from pipeline.image.lock import TOOLCHAIN
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import deb, locked
from verifier.errors import ParseError


def unpacked(folder: Path, *packages: bytes) -> Path:
    made = {locked(f"p{number}", raw, role=TOOLCHAIN): raw for number, raw in enumerate(packages)}
    unpack_toolchain(tuple(made), made.__getitem__, folder)
    return folder


def special(kind: bytes, name: str, target: str = "") -> bytes:
    """A tar with a file, and after it a member of that kind."""
    first, second = tarfile.TarInfo("usr/bin/first"), tarfile.TarInfo(name)
    second.type, second.linkname = kind, target
    made = b"".join(member.tobuf(tarfile.GNU_FORMAT) for member in (first, second))
    return made + bytes(1024)


def test_it_is_laid_out_as_debian_merges_it(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        files: dict[str, bytes | str] = {
            "usr/bin/gcc": b"gcc",
            "usr/bin/[": b"test",
            "lib/a.so": b"a",
            "usr/lib/b.so": "a.so",
            "etc/alternatives/x": "/usr/bin/gcc",
            "usr/share/man/man1/gcc.1": b"words",
        }
        root = unpacked(tmp_path, deb("p0", files))
    finally:
        os.umask(old)
    assert (root / "bin" / "gcc").read_bytes() == b"gcc"
    assert (root / "usr" / "lib" / "a.so").read_bytes() == b"a"
    assert (root / "lib" / "b.so").readlink() == Path("a.so")
    assert (root / "etc" / "alternatives" / "x").readlink() == Path("/usr/bin/gcc")
    assert (root / "usr" / "bin" / "cc").readlink() == Path("gcc")
    assert not (root / "usr" / "share").exists()
    modes = {
        path.relative_to(root).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in root.rglob("*")
        if not path.is_symlink()
    }
    assert {modes.pop(name) for name in ("usr/bin/gcc", "usr/bin/[")} == {0o755}
    assert modes.pop("usr/lib/a.so") == 0o644
    assert set(modes.values()) == {0o755}
    assert {"build", "dev", "tmp"} <= modes.keys()


def test_a_hard_link_is_one(tmp_path: Path) -> None:
    raw = deb("p0", {}, content=special(tarfile.LNKTYPE, "usr/bin/second", "./usr/bin/first"))
    root = unpacked(tmp_path, raw)
    assert (root / "usr" / "bin" / "second").samefile(root / "usr" / "bin" / "first")


@pytest.mark.parametrize("name", ["../x", "usr/../../x", "/etc/x", "usr//x", "usr/a\nb"])
def test_a_path_that_leaves_the_tree_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    raw = deb("p0", {}, content=special(tarfile.REGTYPE, name))
    with refused(ParseError, "p0 1.0-1, path", expected="a path inside the tree", got=repr(name)):
        unpacked(tmp_path / "root", raw)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    first = deb("p0", {"usr/share/x": str(tmp_path / "outside")})
    second = deb("p1", {"usr/share/x/file": b"x"})
    got = f"a symbolic link to {tmp_path / 'outside'}"
    with refused(ParseError, "p1 1.0-1, usr/share/x", expected="a directory", got=got):
        unpacked(tmp_path / "root", first, second)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_path_of_two_packages_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"usr/bin/x": b"x"}
    with refused(ParseError, "p1 1.0-1, usr/bin/x", expected="nothing of that name", got="a file"):
        unpacked(tmp_path, deb("p0", files), deb("p1", files))


def test_a_hard_link_to_what_is_no_file_is_refused(tmp_path: Path) -> None:
    raw = deb("p0", {}, content=special(tarfile.LNKTYPE, "usr/bin/x", "etc/shadow"))
    with refused(
        ParseError, "p0 1.0-1, usr/bin/x", expected="a link to a file", got="'etc/shadow'"
    ):
        unpacked(tmp_path, raw)
