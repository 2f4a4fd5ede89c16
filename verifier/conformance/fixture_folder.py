"""Reads fixtures from a folder: ``<stage>/<NNN-slug>/{manifest.json, input/, expected.json}``."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from verifier.conformance.fixture import Fixture, Stage, parse_expected, parse_manifest
from verifier.errors import ParseError, PolicyError
from verifier.evidence.bundle import MAX_MEMBER

__all__ = ["find_fixtures", "read_fixtures"]

_NAME = re.compile(r"[0-9]{3}-[a-z0-9]+(-[a-z0-9]+)*")
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "fixtures"


def find_fixtures(given: Path | None) -> Path:
    """The folder that was named, or the one of this source checkout. Raises PolicyError."""
    folder = _BESIDE_CHECKOUT if given is None else given
    if not any((folder / stage).is_dir() for stage in Stage):
        expected = "a folder with evidence/ or measurement/"
        hint = "fixtures are part of the source tree, and of no installed package: --fixtures DIR"
        raise PolicyError("fixtures", expected=expected, got=str(folder), hint=hint)
    return folder


def read_fixtures(folder: Path, *, only: str) -> tuple[Fixture, ...]:
    """The fixtures whose names match the shell pattern ``only``, in the order of their names.

    A name is that of the folder, with or without its stage. Raises PolicyError: fixtures are the
    auditor's own files.
    """
    return tuple(
        _read(place, stage)
        for stage in Stage
        for place in sorted((folder / stage).glob("[0-9]*"))
        if fnmatchcase(place.name, only) or fnmatchcase(f"{stage}/{place.name}", only)
    )


def _read(place: Path, stage: Stage) -> Fixture:
    name = f"{stage}/{place.name}"
    if _NAME.fullmatch(place.name) is None:
        raise PolicyError(f"fixture {name}", expected="a name like 001-some-words", got=place.name)
    try:
        inputs = [path for path in sorted((place / "input").rglob("*")) if path.is_file()]
        fixture = Fixture(
            name=name,
            manifest=parse_manifest(_content(place / "manifest.json")),
            expected=parse_expected(_content(place / "expected.json")),
            files={path.relative_to(place / "input").as_posix(): _content(path) for path in inputs},
        )
    except ParseError as error:
        what = f"fixture {name}: {error.what}"
        raise PolicyError(what, expected=error.expected, got=error.got) from None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise PolicyError(f"fixture {name}", expected="its files", got=got) from None
    if fixture.manifest.stage is not stage:
        raise PolicyError(f"fixture {name}: stage", expected=stage, got=fixture.manifest.stage)
    return fixture


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_MEMBER + 1)
    if len(content) > MAX_MEMBER:
        raise ParseError(path.name, expected=f"at most {MAX_MEMBER} bytes", got="more")
    return content
