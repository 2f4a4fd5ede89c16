"""``cvm-audit explain CHECK``: what a check proves, what it does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import click

from verifier.report.explanations import EXPLANATIONS, GROUPS, Explanation

__all__ = ["explain"]

_MOST_SUGGESTIONS = 5


@click.command()
@click.argument("check", required=False)
def explain(check: str | None) -> None:
    """Explain a CHECK by its id; without one, list them all."""
    if check is None:
        click.echo("\n".join(_list()))
        return
    if check not in EXPLANATIONS:
        raise click.BadParameter(_unknown(check), param_hint="CHECK")
    click.echo("\n".join(_page(EXPLANATIONS[check])))


def _list() -> Iterator[str]:
    width = max(map(len, EXPLANATIONS))
    for heading, pages in GROUPS.items():
        yield heading
        for page in pages:
            yield f"  {page.check:<{width}}  {page.title}"
        yield ""
    yield "one of them in full: cvm-audit explain CHECK"


def _page(page: Explanation) -> Iterator[str]:
    yield page.check
    yield page.title
    for heading, paragraph in page.sections():
        yield f"\n{heading}\n  {paragraph}"
    yield f"\nspec\n  {page.spec}"
    yield f"\nattacks\n  {', '.join(page.attacks)}"


def _unknown(check: str) -> str:
    near = [name for name in EXPLANATIONS if name.startswith(check) or name.endswith(f".{check}")]
    near += [name for name in get_close_matches(check, EXPLANATIONS) if name not in near]
    hint = f"; near: {', '.join(near[:_MOST_SUGGESTIONS])}" if near else ""
    return f"no check is called {check!r}{hint}"
