"""A release as it is named on the command line: its entry, or the folder of ``release fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.files import read_file
from verifier.errors import ParseError
from verifier.release.cvm_release import CvmRelease
from verifier.release.dsse import MAX_ENVELOPE
from verifier.release.entry import Entry, parse_release_entry

__all__ = ["RELEASE", "parse_release", "proof_beside", "read_entry"]

RELEASE = click.Path(exists=True, path_type=Path)
"""An entry, or a folder with it, as an argument."""

_ENTRY, _PROOF = "entry.json", "entry.tlog-proof"


def read_entry(release: Path) -> bytes:
    """The bytes of the entry. Raises ParseError, UnusableFileError (exit 2)."""
    return read_file(release / _ENTRY if release.is_dir() else release, limit=MAX_ENVELOPE)


def proof_beside(release: Path) -> Path | None:
    """The proof in the same folder, if a folder was named and it has one."""
    path = release / _PROOF
    return path if release.is_dir() and path.is_file() else None


def parse_release(release: Path) -> tuple[Entry, CvmRelease]:
    """The entry, unverified, and the release that it states. Raises ParseError."""
    entry = parse_release_entry(read_entry(release))
    content = entry.content
    if not isinstance(content, CvmRelease):
        raise ParseError(str(release), expected="a cvm-release/v1", got=entry.kind)
    return entry, content
