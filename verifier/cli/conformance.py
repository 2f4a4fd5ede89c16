"""``cvm-audit conformance``: score any verifier on the fixtures, or be such a verifier."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from verifier.cli.progress import Progress
from verifier.conformance.fixture import RULING_CODES, Fixture
from verifier.conformance.fixture_folder import find_fixtures, read_fixtures
from verifier.conformance.marks import Mark, Marked, count_marks
from verifier.conformance.our_adapter import judge_request
from verifier.conformance.protocol import encode_answer, parse_request
from verifier.conformance.running import Adapter, run_fixture
from verifier.errors import ParseError
from verifier.report.text import one_line

__all__ = ["conformance"]

_RESULT_SCHEMA = "cvm-audit/conformance-result/v1"
_MAX_REQUEST = 256 * 1024 * 1024
_NOT_RIGHT = 1


@click.group()
def conformance() -> None:
    """Score any verifier on the fixtures."""


@conformance.command()
@click.option(
    "--fixtures",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of fixtures; default: the one of the source checkout.",
)
@click.option("--only", metavar="PATTERN", default="*", help="Shell pattern for their names.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds that the adapter has for one fixture.",
)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.argument("command", metavar="-- ADAPTER [ARGS]...", nargs=-1, required=True)
def run(
    fixtures: Path | None, *, only: str, timeout: float, form: str, command: tuple[str, ...]
) -> None:
    """Ask ADAPTER about every fixture, and compare what it answers.

    Exit 0 if every answer is right, 1 if one is not, 2 if there is nothing to run.
    """
    chosen = read_fixtures(find_fixtures(fixtures), only=only)
    if not chosen:
        message = f"no fixture is called like {only}"
        raise click.UsageError(message)
    marked = _run(chosen, Adapter(command, timeout))
    click.echo(_json(marked) if form == "json" else _text(marked))
    wrong = any(each.mark is not Mark.RIGHT for each in marked)
    raise click.exceptions.Exit(_NOT_RIGHT if wrong else 0)


def _run(fixtures: tuple[Fixture, ...], adapter: Adapter) -> tuple[Marked, ...]:
    progress, marked = Progress(len(fixtures), unit="fixtures"), []
    for fixture in fixtures:
        try:
            marked.append(run_fixture(fixture, adapter))
        except OSError as error:
            message = f"{adapter.command[0]} cannot be started: {error.strerror}"
            raise click.UsageError(message) from None
        progress.reached(len(marked))
    return tuple(marked)


def _text(marked: tuple[Marked, ...]) -> str:
    width = max(len(each.fixture.name) for each in marked)
    lines = [
        one_line(f"{each.mark:<11}  {each.fixture.name:<{width}}  {each.note}").rstrip()
        for each in marked
    ]
    counts = count_marks(marked)
    rest = ", ".join(f"{count} {mark}" for mark, count in counts.items() if mark is not Mark.RIGHT)
    return "\n".join((*lines, "", f"{counts[Mark.RIGHT]} of {len(marked)} right; {rest}"))


def _json(marked: tuple[Marked, ...]) -> str:
    document: dict[str, Any] = {
        "schema": _RESULT_SCHEMA,
        "counts": {str(mark): count for mark, count in count_marks(marked).items()},
        "fixtures": [_members(each) for each in marked],
    }
    return json.dumps(document, indent=2)


def _members(marked: Marked) -> dict[str, Any]:
    manifest = marked.fixture.manifest
    return {
        "name": marked.fixture.name,
        "title": manifest.title,
        "attacks": list(manifest.attacks),
        "mark": str(marked.mark),
        "expected": str(marked.fixture.expected.ruling),
        "got": None if marked.answer is None else str(marked.answer.ruling),
        "note": one_line(marked.note),
        "reason": "" if marked.answer is None else one_line(marked.answer.reason),
    }


@conformance.command()
def adapter() -> None:
    """Answer one request, from stdin to stdout: our own verifier as an adapter.

    Exit 0 accepted, 10 rejected, 20 unsupported, 30 malformed.
    """
    raw = sys.stdin.buffer.read(_MAX_REQUEST + 1)
    if len(raw) > _MAX_REQUEST:
        raise ParseError("request", expected=f"at most {_MAX_REQUEST} bytes", got="more")
    answer = judge_request(parse_request(raw)).answer
    sys.stdout.buffer.write(encode_answer(answer))
    raise click.exceptions.Exit(RULING_CODES[answer.ruling])
