"""The image that is scanned, and how an offence is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from verifier.release.newc import CpioEntry

__all__ = ["MAX_TEXT", "ImageRule", "ScannedImage", "base_name", "program_name", "text_of"]

MAX_TEXT = 4 * 1024 * 1024
"""Most bytes of a file that is looked at as text."""


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """The entries of the initrd, and those of its files that are text, by their paths."""

    entries: tuple[CpioEntry, ...]
    texts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, entries: tuple[CpioEntry, ...]) -> ScannedImage:
        """Find the texts once, for all rules."""
        files = ((entry.name, text_of(entry.content)) for entry in entries if entry.is_file)
        return cls(entries, tuple((name, text) for name, text in files if text is not None))


ImageRule = Callable[[ScannedImage], Iterator[str]]
"""Offences against one rule, each as ``path: what is wrong``."""


def text_of(raw: bytes) -> str | None:
    """The text, None for what is none: not UTF-8, with a NUL in it, or too long."""
    if len(raw) > MAX_TEXT or b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def base_name(path: str) -> str:
    """The last part of a path."""
    return PurePosixPath(path).name


def program_name(path: str) -> str:
    """The last part of a path in a folder from which programs are started, else nothing."""
    place = PurePosixPath(path)
    return place.name if place.parent.name in ("bin", "sbin", "libexec") else ""
