"""Writes docs/checks.md: ``python -m tests.documents.checks_document > docs/checks.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.documents.other_verifiers import REVISIONS, ROWS, VERIFIERS, Row
from verifier.report.explanations import GROUPS, Explanation

__all__ = ["checks_document"]

_HEAD = """\
# Checks

Every check that a verdict can hold, by its id. Ids are never renamed and never reused. What a check
proves, what it does not, what makes it fail and what to do then: `cvm-audit explain CHECK`. Names
such as ATK-001 are those of [threat-model.md](threat-model.md).

This page is written by a program: `python -m tests.documents.checks_document > docs/checks.md`.
"""
_OTHERS = """\
## Other verifiers of SEV-SNP reports

Facts of September 2026 about the revisions below, and not of today: these projects move, and a gap
may be closed by now. go-sev-guest and tinfoil-python were tested by running them; the other columns
were read in the source, and that of contrast is inferred from the options that it sets and the
behaviour of go-sev-guest. *a-rs* is attestation-rs.

Y yes, by default; opt only when the caller asks for it; claim handed to a policy and not enforced;
N no; **dead** the code is there and never runs; n/s not examined. Our own column names the check
that answers.
"""
_NOTES = """\
¹ only when pinned roots are used: up to 0.14.1 a wholly forged chain was accepted without them
(issue 185, fixed by PR 190 in v0.15.0). ² with a separate command, `verify certs`, and the user's
own ARK file.
"""


def checks_document() -> str:
    """The whole page, ending in a newline."""
    parts = [_HEAD, *_checks(), _OTHERS, _table(_matrix()), _NOTES, _table(_revisions())]
    return "\n".join(parts)


def _checks() -> Iterator[str]:
    for heading, pages in GROUPS.items():
        rows = [("id", "what is checked", "spec", "attacks"), *map(_check, pages)]
        yield f"## {heading[0].upper()}{heading[1:]}\n"
        yield _table(rows)


def _check(page: Explanation) -> tuple[str, ...]:
    return f"`{page.check}`", page.title, page.spec, ", ".join(page.attacks)


def _matrix() -> list[tuple[str, ...]]:
    return [("check", *VERIFIERS, "cvm-audit"), *map(_row, ROWS)]


def _row(row: Row) -> tuple[str, ...]:
    ours = [", ".join(f"`{check}`" for check in row.checks), row.words]
    return row.question, *row.others, ", ".join(part for part in ours if part)


def _revisions() -> list[tuple[str, ...]]:
    return [("verifier", "revision"), *REVISIONS]


def _table(rows: list[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [f"| {' | '.join(cells)} |\n" for cells in (head, *body)]
    return "".join((lines[0], f"|{'---|' * len(head)}\n", *lines[1:]))


if __name__ == "__main__":
    sys.stdout.write(checks_document())
