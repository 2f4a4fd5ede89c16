"""Where two JSON documents differ: the member, by its path from the root."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from verifier.appraisal.comparison.difference import Difference

__all__ = ["document_differences"]

_SHOWN = 120
_NAMES = ("path", "name", "id", "ref")


def document_differences(released: Any, built: Any, *, place: str = "") -> Iterator[Difference]:
    """Every member that differs, in the order of the released document.

    ``released`` and ``built`` are what ``parse_json`` gave. Objects of an array are named by their
    own ``path`` or ``name`` where each has one, so that one that was added is not told as a change
    of all that follow.
    """
    if type(released) is not type(built):
        yield _difference(place, released, built)
    elif isinstance(released, dict):
        yield from _members(released, built, place, ".")
    elif isinstance(released, list):
        left, right = _keyed(released), _keyed(built)
        if left is None or right is None:
            left, right = dict(enumerate(released)), dict(enumerate(built))
        yield from _members(left, right, place, "[]")
        if list(left) != list(right) and set(left) == set(right):
            yield Difference(
                place=f"{place} (order)", expected=_short([*left]), got=_short([*right])
            )
    elif released != built:
        yield _difference(place, released, built)


def _members(
    released: dict[Any, Any], built: dict[Any, Any], place: str, style: str
) -> Iterator[Difference]:
    for name in (*released, *(name for name in built if name not in released)):
        inner = f"{place}[{name}]" if style == "[]" else f"{place}.{name}".removeprefix(".")
        if name not in built:
            yield Difference(place=inner, expected=_short(released[name]), got="no such member")
        elif name not in released:
            yield Difference(place=inner, expected="no such member", got=_short(built[name]))
        else:
            yield from document_differences(released[name], built[name], place=inner)


def _keyed(values: list[Any]) -> dict[Any, Any] | None:
    """The objects by the first kind of name that all have and no two share; None without one."""
    for key in _NAMES:
        names = [value.get(key) if isinstance(value, dict) else None for value in values]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip(names, values, strict=True))
    return None


def _difference(place: str, released: Any, built: Any) -> Difference:
    return Difference(place=place or "document", expected=_short(released), got=_short(built))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} long)"
