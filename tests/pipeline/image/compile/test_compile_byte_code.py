"""What is taken of a compilation to byte code, with a shell script in the place of Python."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.image.building import Compilation, LockFile, Locks, build
from pipeline.image.compile.byte_code import compile_byte_code
from pipeline.image.compile.recipe import BYTE_CODE_PROGRAM
from pipeline.image.guest_source import read_source
from pipeline.image.lock import parse_lock
from pipeline.image.store import Store
from pipeline.image.tree import Device, Directory, File, Node, Symlink, Tree
from tests.architecture.source import ROOT
from tests.pipeline.image.compile.synthetic_toolchain import host_files
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import fill
from verifier.errors import FetchError, ParseError, VerificationError

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

HONEST = r"printf '\xf3\x0d\x0d\x0a\x01\x00\x00\x00abcdefghcode' > x.cpython-313.pyc"
INTERPRETER = """\
#!/usr/bin/bash
[ "$*" != "-sSPB /build/in_guest.py list" ] || exit 0
[ "$*" = "-sSPB /build/in_guest.py compile" ] || exit 9
[ "$(cat /build/in_guest.py)" = "the program" ] || exit 8
mkdir -p /build/out/usr/lib/a/__pycache__
cd /build/out/usr/lib/a/__pycache__
{}
"""


def guest(script: str) -> Mapping[str, Node]:
    tree = Tree()
    for path, content in host_files().items():
        raw = content.encode() if isinstance(content, str) else content
        tree.add(path, File(raw, executable=True), what="this machine")
    interpreter = INTERPRETER.format(script).encode()
    tree.add("usr/bin/python3.13", File(interpreter, executable=True), what="test")
    tree.add("usr/lib/a/x.py", File(b"x = 1\n", executable=False), what="test")
    tree.add("usr/lib/a/y.py", Symlink("x.py"), what="test")
    tree.add("dev/null", Device(1, 3, "0666"), what="test")
    tree.add("tmp", Directory(), what="test")
    return tree.finished()


def compiled(script: str, folder: Path) -> Mapping[str, File]:
    return compile_byte_code(
        guest(script), program=b"the program\n", parent=folder, say=lambda _: None
    )


def test_byte_code_of_a_module_comes_out_and_nothing_stays(tmp_path: Path) -> None:
    content = b"\xf3\r\r\n\x01\0\0\0abcdefghcode"
    path = "usr/lib/a/__pycache__/x.cpython-313.pyc"
    assert compiled(HONEST, tmp_path) == {path: File(content, executable=False)}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "what", "expected", "got"),
    [
        (":", "byte code", "that of the guest's program", "none"),
        (
            f"{HONEST}; cp x.cpython-313.pyc z.cpython-313.pyc",
            "byte code",
            "that of a module in the image",
            "'usr/lib/a/__pycache__/z.cpython-313.pyc'",
        ),
        (
            f"{HONEST}; cp x.cpython-313.pyc ../x.pyc",
            "byte code",
            "that of a module in the image",
            "'usr/lib/a/x.pyc'",
        ),
        (
            # Not of a link, which has none of its own.
            f"{HONEST}; cp x.cpython-313.pyc y.cpython-313.pyc",
            "byte code",
            "that of a module in the image",
            "'usr/lib/a/__pycache__/y.cpython-313.pyc'",
        ),
        (
            r"printf '\xf3\x0d\x0d\x0a\x00\x00\x00\x00abcdefghcode' > x.cpython-313.pyc",
            "byte code usr/lib/a/__pycache__/x.cpython-313.pyc",
            "flags 1 (PEP 552)",
            r"b'\xf3\r\r\n\x00\x00\x00\x00abcdefgh'",
        ),
        (
            "echo x > x.cpython-313.pyc",
            "byte code usr/lib/a/__pycache__/x.cpython-313.pyc",
            "flags 1 (PEP 552)",
            r"b'x\n'",
        ),
        ("exit 7", "compiling byte code", "success", "exit code 7: ''"),
    ],
)
def test_anything_else_is_refused(
    script: str, what: str, expected: str, got: str, tmp_path: Path
) -> None:
    with refused(VerificationError, what, expected=expected, got=got):
        compiled(script, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    what, got = "output x.cpython-313.pyc", "0 bytes"
    with refused(ParseError, what, expected="1 to 67108864 bytes", got=got):
        compiled(": > x.cpython-313.pyc", tmp_path)


def test_a_link_is_not_followed_out_of_the_sandbox(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(FetchError) as caught:
        compiled(f"ln -s {secret} x.cpython-313.pyc", tmp_path / "work")
    assert caught.value.expected == "a place to compile in"
    assert caught.value.got == "Too many levels of symbolic links"


def test_a_source_without_the_program_that_compiles_is_refused(tmp_path: Path) -> None:
    lock_path, store, policy = fill(tmp_path)
    raw = lock_path.read_bytes()
    source = dict(read_source(ROOT))
    del source[BYTE_CODE_PROGRAM]
    with refused(ParseError, "source", expected=BYTE_CODE_PROGRAM, got="it is missing"):
        build(
            Locks(LockFile(parse_lock(raw), raw), None),
            Store(store),
            source=source,
            guest_policy=policy.read_bytes(),
            compilation=Compilation(tmp_path, byte_code=True, reuse=False, say=lambda _: None),
        )
