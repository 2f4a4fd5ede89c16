"""Differences between two copies of artifacts, side by side, for people."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.appraisal.comparison.difference import Difference
from verifier.appraisal.rebuild.artifact_checks import Told
from verifier.report.text import one_line

__all__ = ["render_differences"]

_LINES = 40  # differences of one artifact that are shown in full
_LABEL, _SIDE = 12, 70


def render_differences(told: tuple[Told, ...]) -> str:
    """Every difference that was found, the first of each artifact with its surroundings."""
    lines = [line for artifact in told for line in _artifact(artifact)]
    return "".join(f"{one_line(line)}\n" for line in lines)


def _artifact(told: Told) -> Iterator[str]:
    yield f"{told.name}: {told.left} | {told.right}"
    for number, difference in enumerate(told.differences[:_LINES]):
        yield f"  {difference.place}"
        yield from _sides(difference, told, surroundings=not number)
    left = len(told.differences) - _LINES
    if left > 0:
        yield f"  and {left} more differences, or even more"


def _sides(difference: Difference, told: Told, *, surroundings: bool) -> Iterator[str]:
    yield f"    {told.left}: {difference.expected}"
    yield f"    {told.right}: {difference.got}"
    for label, left, right in difference.rows if surroundings else ():
        same = " " if left == right else "!"
        yield f"  {same} {label:<{_LABEL}} {left:<{_SIDE}} | {right}"
