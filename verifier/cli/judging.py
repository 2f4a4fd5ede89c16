"""What every judging verb shares: its options, the clock, the trust roots, and how it ends."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from verifier import __version__
from verifier.appraisal.policy import MAX_POLICY, Policy, parse_policy
from verifier.appraisal.verdict import Verdict
from verifier.cli.files import read_file, write_file
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.evidence.report_data import NONCE_SIZE
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.report.json import render_json
from verifier.report.text import render_text
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.snp_root import SnpRoot
from verifier.tlog.strict import parse_hex, parse_timestamp

__all__ = [
    "Judging",
    "instant_option",
    "judging_options",
    "load_policy",
    "load_roots",
    "nonce_option",
]

_FORMATS = ("text", "json")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How to judge, as the auditor said it on the command line.

    ``instant`` is aware and UTC: ``--at``, or the clock of this machine, read once.
    """

    instant: datetime
    offline: bool
    format: str
    outputs: tuple[tuple[str, Path], ...]
    nonce: bytes | None
    trust_root: Path | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Judging:
        """The options that ``judging_options`` added, as click passed them."""
        return cls(
            instant=options["instant"],
            offline=options["offline"],
            format=options["form"],
            outputs=options["outputs"],
            nonce=options["nonce"],
            trust_root=options["trust_root"],
        )

    def conclude(self, verdict: Verdict, *, command: tuple[str, ...]) -> NoReturn:
        """Write the verdict in every form that was asked for, and exit with its code.

        ``command`` is the verb with its own arguments; the options of judging are added.
        """
        reverify = shlex.join((*_program(), *command, *self._arguments()))
        for form, path in self.outputs:
            write_file(path, self._render(form, verdict, reverify).encode("utf-8"))
        click.echo(self._render(self.format, verdict, reverify), nl=False)
        raise click.exceptions.Exit(verdict.exit_code)

    def _arguments(self) -> tuple[str, ...]:
        root = ("--trust-root", str(self.trust_root)) if self.trust_root is not None else ()
        nonce = ("--nonce", self.nonce.hex()) if self.nonce is not None else ()
        return (*root, *nonce, "--at", f"{self.instant:%Y-%m-%dT%H:%M:%SZ}", "--offline")

    def _render(self, form: str, verdict: Verdict, reverify: str) -> str:
        if form == "json":
            return render_json(verdict, offline=self.offline, tool_version=__version__)
        return render_text(verdict, offline=self.offline, reverify=reverify)


def _program() -> tuple[str, ...]:
    # What is printed must work when it is pasted, also from an environment that is not active.
    if shutil.which("cvm-audit") is not None:
        return ("cvm-audit",)
    called = Path(sys.argv[0])
    return (str(called),) if called.name == "cvm-audit" else ("python", "-m", "verifier")


def _instant(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime:
    if value is None:
        # To the second, so that what is printed is exactly what was judged.
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return parse_timestamp(value, what="--at")
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _nonce(context: click.Context, parameter: click.Parameter, value: str | None) -> bytes | None:
    if value is None:
        return None
    try:
        return parse_hex(value, what="--nonce", size=NONCE_SIZE)
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _outputs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, Path], ...]:
    outputs = []
    for value in values:
        form, separator, path = value.partition("=")
        if form not in _FORMATS or not separator or not path:
            message = f"{value!r} is not FORMAT=FILE with FORMAT one of {', '.join(_FORMATS)}"
            raise click.BadParameter(message, context, parameter)
        outputs.append((form, Path(path)))
    return tuple(outputs)


instant_option = click.option(
    "--at",
    "instant",
    metavar="RFC3339",
    callback=_instant,
    help="The instant, as YYYY-MM-DDThh:mm:ssZ; default: the clock of this machine.",
)
nonce_option = click.option(
    "--nonce", metavar="HEX", callback=_nonce, help="The 32 bytes that were sent for freshness."
)
_offline_option = click.option("--offline", is_flag=True, help="Open no socket.")
_format_option = click.option("--format", "form", type=click.Choice(_FORMATS), default="text")
_outputs_option = click.option(
    "-o",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    callback=_outputs,
    help="Also write the verdict to a new file; may be repeated.",
)
_trust_root_option = click.option(
    "--trust-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of simulated roots (*.json). Evidence under them is never hardware.",
)


def judging_options(command: _Command) -> _Command:
    """Add the options of judging to a click command, which turns them into one ``Judging``."""
    options = (
        instant_option,
        nonce_option,
        _trust_root_option,
        _offline_option,
        _format_option,
        _outputs_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def load_policy(path: Path) -> Policy:
    """Read the policy file. Raises PolicyError (exit 2)."""
    try:
        return parse_policy(read_file(path, limit=MAX_POLICY))
    except ParseError as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def load_roots(folder: Path | None) -> tuple[SnpRoot, ...]:
    """AMD's pinned roots, and the simulated ones of ``folder``. Raises PolicyError (exit 2)."""
    if folder is None:
        return AMD_ROOTS
    documents = sorted(folder.glob("*.json"))
    if not documents:
        raise PolicyError(str(folder), expected="*.json root documents", got="none")
    try:
        return (*AMD_ROOTS, *(parse_simulated_root(read_file(path)) for path in documents))
    except (ParseError, UnsupportedError) as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None
