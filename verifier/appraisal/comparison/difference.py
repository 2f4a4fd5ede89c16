"""Where two byte strings differ: the place, both sides, and the lines around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from verifier.tlog.strict import excerpt

__all__ = ["Difference", "Row", "bytes_difference", "first_difference", "of_place"]

Row = tuple[str, str, str]
"""One line of a side-by-side: where it is, what was released, what came out."""

_CHUNK = 65_536
_WIDTH = 16  # bytes in a row of hex
_ROWS_BEFORE, _ROWS_AFTER = 1, 2
_MAX_TEXT = 4 * 1024 * 1024  # bytes: what is longer is shown as bytes
_SHOWN = 100  # characters of a line
_BEFORE = 20  # of them, before the first that differs


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: ``place`` in words, ``expected`` as released, ``got`` as it came out.

    ``rows`` is a side-by-side of the surroundings, empty where both sides are said already.
    """

    place: str
    expected: str
    got: str
    rows: tuple[Row, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.got} (released: {self.expected})"


def of_place(place: str, differences: Iterator[Difference]) -> Iterator[Difference]:
    """``differences`` with ``place`` before their own."""
    return (replace(found, place=f"{place}: {found.place}") for found in differences)


def first_difference(released: bytes, built: bytes) -> Difference | None:
    """The first line that differs where both are text, else the first byte; None if equal."""
    if released == built:
        return None
    left, right = _text(released), _text(built)
    if left is None or right is None:
        return bytes_difference(released, built)
    return _line_difference(left, right)


def _text(raw: bytes) -> str | None:
    if len(raw) > _MAX_TEXT or b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _line_difference(released: str, built: str) -> Difference:
    # By newline alone: else two texts that differ in the kind of their line ends would look alike.
    left, right = (text.split("\n") for text in (released, built))
    at = next(
        (n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), -1
    )
    number = at if at >= 0 else min(len(left), len(right))
    start = _start(left, right, number)
    rows = tuple(
        (f"line {n + 1}", _line(left, n, start), _line(right, n, start))
        for n in range(max(0, number - 2), number + 3)
        if n < max(len(left), len(right))
    )
    return Difference(
        place=f"line {number + 1}",
        expected=_line(left, number, start),
        got=_line(right, number, start),
        rows=rows,
    )


def _start(left: list[str], right: list[str], number: int) -> int:
    """Where to begin showing a line, so that a long one is shown where it differs."""
    if number >= min(len(left), len(right)):
        return 0
    pairs = enumerate(zip(left[number], right[number], strict=False))
    shorter = min(len(left[number]), len(right[number]))
    column = next((n for n, (a, b) in pairs if a != b), shorter)
    return max(0, column - _BEFORE) if column > _SHOWN // 2 else 0


def _line(lines: list[str], number: int, start: int) -> str:
    if number >= len(lines):
        return "(no such line)"
    return ("…" if start else "") + excerpt(lines[number][start:], _SHOWN)


def bytes_difference(released: bytes, built: bytes) -> Difference | None:
    """The first byte that differs, with its surroundings in hex; None if there is none."""
    place = _first_byte(released, built)
    if place is None:
        return None
    return Difference(
        place=f"byte {place} ({place:#x})",
        expected=_byte(released, place),
        got=_byte(built, place),
        rows=tuple(_hex_rows(released, built, place)),
    )


def _first_byte(released: bytes, built: bytes) -> int | None:
    shorter = min(len(released), len(built))
    for start in range(0, shorter, _CHUNK):
        left, right = released[start : start + _CHUNK], built[start : start + _CHUNK]
        if left != right:
            pairs = enumerate(zip(left, right, strict=False), start)
            found = next((place for place, (a, b) in pairs if a != b), None)
            return shorter if found is None else found
    return shorter if len(released) != len(built) else None


def _byte(raw: bytes, place: int) -> str:
    size = f"of {len(raw)} bytes"
    return f"{raw[place]:#04x} {size}" if place < len(raw) else f"the end, {size}"


def _hex_rows(released: bytes, built: bytes, place: int) -> Iterator[Row]:
    row = place // _WIDTH
    for number in range(max(0, row - _ROWS_BEFORE), row + _ROWS_AFTER + 1):
        start = number * _WIDTH
        if start < max(len(released), len(built)):
            yield f"{start:08x}", _hex(released, start), _hex(built, start)


def _hex(raw: bytes, start: int) -> str:
    part = raw[start : start + _WIDTH]
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
    return f"{part.hex(' '):<{3 * _WIDTH - 1}} |{shown}|"
