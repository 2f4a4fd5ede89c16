"""How an answer is marked against what is expected of it, and what all marks come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from verifier.conformance.fixture import Expected, Fixture, Ruling
from verifier.conformance.protocol import Answer

__all__ = ["Mark", "Marked", "count_marks", "mark_answer"]

_REFUSALS = (Ruling.REJECTED, Ruling.MALFORMED, Ruling.UNSUPPORTED)


class Mark(StrEnum):
    """What came of one fixture.

    ``right``: the expected outcome, and the expected checks where the adapter names any.
    ``inexact``: refused, as it must be, in another word or for another reason.
    ``unsupported``: the adapter says that it cannot judge this. ``too strict``: refused what must
    be accepted. ``unsafe``: accepted what must be refused. ``error``: no usable answer.
    """

    RIGHT = "right"
    INEXACT = "inexact"
    UNSUPPORTED = "unsupported"
    TOO_STRICT = "too strict"
    UNSAFE = "unsafe"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One fixture with its mark; ``note`` says why it is not right. ``answer`` None: an error."""

    fixture: Fixture
    answer: Answer | None
    mark: Mark
    note: str


def mark_answer(fixture: Fixture, answer: Answer) -> Marked:
    """Mark an answer."""
    mark, note = _mark(fixture.expected, answer)
    return Marked(fixture=fixture, answer=answer, mark=mark, note=note)


def _mark(expected: Expected, answer: Answer) -> tuple[Mark, str]:
    wanted, got = expected.ruling, answer.ruling
    said = f"expected {wanted}, got {got}"
    if wanted is got:
        return _mark_checks(expected, answer)
    if got is Ruling.ACCEPTED:
        return Mark.UNSAFE, said
    if got is Ruling.UNSUPPORTED:
        return Mark.UNSUPPORTED, said
    return (Mark.INEXACT if wanted in _REFUSALS else Mark.TOO_STRICT), said


def _mark_checks(expected: Expected, answer: Answer) -> tuple[Mark, str]:
    wanted = expected.ours.failed if expected.ours is not None else ()
    if answer.failed is None or set(answer.failed) == set(wanted):
        return Mark.RIGHT, ""
    got = ", ".join(answer.failed) or "none"
    return Mark.INEXACT, f"expected to fail: {', '.join(wanted) or 'none'}; got {got}"


def count_marks(marked: tuple[Marked, ...]) -> Mapping[Mark, int]:
    """How many there are of each mark, all marks named."""
    return {mark: sum(each.mark is mark for each in marked) for mark in Mark}
