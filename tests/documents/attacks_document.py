"""Writes docs/attacks.md: ``python -m tests.documents.attacks_document > docs/attacks.md``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests import evil as evil_twins
from tests.documents.attacks import GROUPS, Attack
from tests.evil.caught import CAUGHT, Evil

__all__ = ["attacks_document"]

_HEAD = """\
# Attacks on a session and the way to it

For each attack the tests that make it and see it fail, the checks that say so in a verdict, and
what stays unproven all the same. What a check proves and what not: `cvm-audit explain CHECK`. Who
could learn what, and the other attacks: [threat-model.md](threat-model.md).

The evil twins of `tests/evil/` are the real roles but for one evil each; `test_a_twin_is_caught`
drives a path that has one of them, and asserts which checks fail and that nothing else does. Where
an attack has no check, no verdict can show it: the tests are all there is.

This page is written by a program:
`python -m tests.documents.attacks_document > docs/attacks.md`.
"""
_TWINS = """\
## Evil twins

Each in a path of its own, in front of two CVMs that are processes of the test.
"""


def attacks_document() -> str:
    """The whole page, ending in a newline."""
    return "\n".join((_HEAD, *_groups(), _TWINS, _table(_twins())))


def _groups() -> Iterator[str]:
    for heading, attacks in GROUPS.items():
        rows = [("attack", "tests", "checks", "what stays unproven"), *map(_row, attacks)]
        yield f"## {heading}\n"
        yield _table(rows)


def _row(attack: Attack) -> tuple[str, ...]:
    return (
        f"{attack.id} {attack.name}",
        "<br>".join(f"`{test}`" for test in attack.tests),
        _codes(attack.checks) or "none",
        attack.unproven,
    )


def _twins() -> list[tuple[str, ...]]:
    rows = [(name, _said(evil), _codes(sorted(evil.checks))) for name, evil in CAUGHT.items()]
    return [("twin", "what is evil about it", "checks that fail"), *rows]


def _said(evil: Evil) -> str:
    return evil.words or " ".join(_docstring(name) for name in evil.modules)


def _docstring(module: str) -> str:
    """What a twin says of itself, in its first paragraph."""
    path = Path(evil_twins.__file__).with_name(f"{module}.py")
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _codes(names: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _table(rows: list[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [f"| {' | '.join(cells)} |\n" for cells in (head, *body)]
    return "".join((lines[0], f"|{'---|' * len(head)}\n", *lines[1:]))


if __name__ == "__main__":
    sys.stdout.write(attacks_document())
