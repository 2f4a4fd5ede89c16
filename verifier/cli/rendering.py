"""How verdicts leave the program: the options for formats, and ``cvm-audit report render``.

Colour is for a terminal only, and only paints words that stand there anyway. ``NO_COLOR`` (not
empty) switches it off, ``CLICOLOR_FORCE`` (not empty, not 0) on where there is no terminal; the
first wins (no-color.org, bixense.com/clicolors).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.cli.files import read_file, write_file
from verifier.report.formats import FORMATS
from verifier.report.judgement import Judgement

__all__ = ["Rendering", "rendering_options", "report"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Which format goes to stdout, and which ones to new files."""

    printed: str
    files: tuple[tuple[str, Path], ...]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Rendering:
        """The options that ``rendering_options`` added. UsageError if two would share stdout."""
        outputs: tuple[tuple[str, Path], ...] = options["outputs"]
        asked = [form for form, path in outputs if path == _STDOUT]
        asked += [options["form"]] if options["form"] is not None else []
        asked += ["json"] if options["as_json"] else []
        if len(set(asked)) > 1:
            message = f"only one format can go to stdout, not {' and '.join(sorted(set(asked)))}"
            raise click.UsageError(message)
        files = tuple((form, path) for form, path in outputs if path != _STDOUT)
        return cls(printed=asked[0] if asked else "text", files=files)

    @property
    def formats(self) -> frozenset[str]:
        """Every format that was asked for."""
        return frozenset({self.printed, *(form for form, _ in self.files)})

    def write(self, judgement: Judgement, *, signed: Mapping[str, Callable[[str], str]]) -> None:
        """Write every file, then stdout. ``signed`` wraps the text of a format, such as ``vsa``."""
        for form, path in self.files:
            text = _text_of(form, judgement, signed)
            write_file(path, text.encode("utf-8"))
        click.echo(self._printed(judgement, signed), nl=False, color=True)

    def _printed(self, judgement: Judgement, signed: Mapping[str, Callable[[str], str]]) -> str:
        if self.printed == "text" and _colour():
            return str(_renderer("text")(judgement, colour=True))
        text = _text_of(self.printed, judgement, signed)
        return text if text.endswith("\n") else f"{text}\n"


def _text_of(form: str, judgement: Judgement, signed: Mapping[str, Callable[[str], str]]) -> str:
    text = str(_renderer(form)(judgement))
    return signed[form](text) if form in signed else text


def _renderer(form: str) -> Callable[..., str]:
    place = FORMATS[form]
    renderer: Callable[..., str] = getattr(importlib.import_module(place.module), place.function)
    return renderer


def _colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0") or sys.stdout.isatty()


def _outputs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, Path], ...]:
    outputs = []
    for value in values:
        form, separator, path = value.partition("=")
        if form not in FORMATS or not separator or not path:
            message = f"{value!r} is not FORMAT=FILE with FORMAT one of {', '.join(FORMATS)}"
            raise click.BadParameter(message, context, parameter)
        outputs.append((form, Path(path)))
    return tuple(outputs)


_format_option = click.option(
    "-f", "--format", "form", type=click.Choice(tuple(FORMATS)), help="What is printed.  [text]"
)
_json_option = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
_outputs_option = click.option(
    "-o",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    callback=_outputs,
    help="Also write a new file; may be repeated. FORMAT=- prints it instead of the text.",
)


def rendering_options(command: _Command) -> _Command:
    """Add the options of formats to a click command, which turns them into one ``Rendering``."""
    for option in (_outputs_option, _json_option, _format_option):
        command = option(command)
    return command


@click.group()
def report() -> None:
    """Work with stored verdicts."""


@report.command()
@click.argument("verdict", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@rendering_options
def render(verdict: Path, **options: Any) -> None:
    """Write a stored VERDICT (JSON) in another format. Nothing of it is verified.

    The exit code is 0 whatever the verdict says: this judges nothing.
    """
    from verifier.report.stored_verdict import (  # noqa: PLC0415 - a judging verb needs no parser
        MAX_VERDICT,
        parse_verdict,
    )

    rendering = Rendering.of(options)
    judgement = parse_verdict(read_file(verdict, limit=MAX_VERDICT))
    click.echo("nothing here is verified: this is what the document says", err=True)
    rendering.write(judgement, signed={})
