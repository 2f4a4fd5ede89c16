from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import ParseError
from verifier.release.directory_digest import DirectoryFile, directory_digest, is_source

A = DirectoryFile("a", executable=False, size=1, sha256=sha256(b"a").digest())
B = DirectoryFile("b/c", executable=True, size=2, sha256=sha256(b"bc").digest())


def test_the_digest_is_of_the_documented_bytes() -> None:
    expected = sha256(
        b"cvm-audit:directory:v1:source\0"
        + struct.pack(">I", 2)
        + struct.pack(">H1sHQ", 1, b"a", 0o644, 1)
        + sha256(b"a").digest()
        + struct.pack(">H3sHQ", 3, b"b/c", 0o755, 2)
        + sha256(b"bc").digest()
    ).digest()
    assert directory_digest([B, A], purpose="source") == expected


@given(st.permutations([A, B, replace(A, path="z"), replace(A, path="b.c")]))
def test_the_order_does_not_count(files: list[DirectoryFile]) -> None:
    assert directory_digest(files, purpose="x") == directory_digest(
        sorted(files, key=lambda file: file.path), purpose="x"
    )


def test_everything_else_counts() -> None:
    digests = [
        directory_digest([A, B], purpose="source"),
        directory_digest([A, B], purpose="other"),
        directory_digest([A], purpose="source"),
        directory_digest([replace(A, path="a2"), B], purpose="source"),
        directory_digest([replace(A, executable=True), B], purpose="source"),
        directory_digest([replace(A, size=2), B], purpose="source"),
        directory_digest([replace(A, sha256=bytes(32)), B], purpose="source"),
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "./a", "../a", "a/../b", "a\nb", "a\0", "\u00e9", "a" * 4097]
)
def test_paths_that_leave_or_hide_are_refused(path: str) -> None:
    with pytest.raises(ParseError) as caught:
        directory_digest([replace(A, path=path)], purpose="source")
    assert caught.value.what == "source, path"
    assert caught.value.expected in (
        "a relative path of printable ASCII",
        "a path inside the directory",
    )


def test_a_path_twice_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        directory_digest([A, replace(A, size=9)], purpose="source")
    error = caught.value
    assert (error.what, error.expected, error.got) == ("source, path", "each path once", "'a'")


def test_an_empty_directory_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        directory_digest([], purpose="source")
    error = caught.value
    assert (error.what, error.expected, error.got) == ("source", "1 to 100000 files", "0")


def test_what_counts_as_source() -> None:
    for path in ("pipeline/a.py", "verifier/py.typed", "pipeline/image/inputs.lock"):
        assert is_source(path)
    for path in ("tests/a.py", "pipeline", "verifier/__pycache__/a.pyc", "verifier/a.pyc", "x"):
        assert not is_source(path)
