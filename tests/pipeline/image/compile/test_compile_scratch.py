"""The folder of a compilation, and what is read out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.image.compile.scratch import read_output, require_space, scratch_folder
from tests.pipeline.image.refusing import refused
from verifier.errors import FetchError, ParseError


def test_an_output_is_read(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"kernel")
    assert read_output(tmp_path / "kernel") == b"kernel"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kernel")
    with refused(ParseError, "output kernel", expected="a file", got="another thing"):
        read_output(tmp_path / "kernel")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kernel").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        read_output(tmp_path / "kernel")


def test_what_is_larger_than_an_output_may_be_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "kernel").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    what, expected = "output kernel", "1 to 67108864 bytes"
    with refused(ParseError, what, expected=expected, got="67108865 bytes"):
        read_output(tmp_path / "kernel")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    what, expected = str(tmp_path / "file"), "a place to compile in"
    refusal = refused(FetchError, what, expected=expected, got="File exists")
    with refusal, scratch_folder(tmp_path / "file"):
        pass


def test_too_little_space_is_said_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        require_space(tmp_path / "not" / "there", 1 << 60)
    assert caught.value.what == str(tmp_path / "not" / "there")
    assert caught.value.expected == f"{1 << 60} bytes free, to compile in"
