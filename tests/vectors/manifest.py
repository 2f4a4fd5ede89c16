"""The manifest of the SNP vectors, read so that a vector which is added is judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_ROW = re.compile(r"^\| (?P<files>[^|]+?) \|(?:[^|]*\|){4} (?P<verdict>[^|]+?) \|$", re.MULTILINE)


def rows(snp: Path) -> Iterator[tuple[tuple[Path, ...], str]]:
    """The files of each row and what the manifest says of them."""
    for row in _ROW.finditer((snp / "MANIFEST.md").read_text("utf-8")):
        yield tuple(snp / name for name in row["files"].split(" + ")), row["verdict"]


def genuine_pairs(snp: Path) -> list[tuple[Path, Path]]:
    """Every report with its certificate that the manifest marks PASS."""
    return [
        (files[0], files[1])
        for files, verdict in rows(snp)
        if len(files) == 2 and verdict.startswith("PASS")
    ]
