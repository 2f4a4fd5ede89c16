"""The program: its verbs, and the one place where exceptions become exit codes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from verifier import __version__
from verifier.cli.interruption import unwinding_on_terminate
from verifier.errors import AuditError, FetchError, PolicyError
from verifier.report.text import one_line

__all__ = ["EXIT_BUG", "EXIT_FAILED", "EXIT_NOT_DETERMINED", "EXIT_USAGE", "cli", "main"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_DETERMINED = 3
EXIT_BUG = 70

_VERBS = {
    "conformance": ("verifier.cli.conformance", "score any verifier on the fixtures"),
    "drive": ("verifier.cli.drive", "boot a logged release, judge what answers, and ask it"),
    "evidence": ("verifier.cli.evidence", "look at, judge or collect attestation evidence"),
    "explain": ("verifier.cli.explaining", "what a check proves and does not prove"),
    "log": ("verifier.cli.log", "hold a transparency log to what it says of itself"),
    "measure": ("verifier.cli.measure", "predict a launch measurement from the binaries"),
    "policy": ("verifier.cli.policy", "look over, explain or pin an appraisal policy"),
    "release": ("verifier.cli.release", "sign, publish, fetch and judge logged releases"),
    "report": ("verifier.cli.rendering", "write a stored verdict in another format"),
    "verify": ("verifier.cli.verify", "judge an evidence bundle under a policy: the verdict"),
}


class _LazyGroup(click.Group):
    """Imports a verb when it is used, so that one verb never pays for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(_VERBS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, _VERBS[name][1]) for name in sorted(_VERBS)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cvm-audit")
def cli() -> None:
    """Judge whether a machine runs the code in the public log.

    Exit codes: 0 VERIFIED, 1 FAILED, 2 usage or unusable policy, 3 NOT DETERMINED, 4 PARTIAL,
    70 a bug.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program with ``arguments``, or with those of the process, and exit."""
    try:
        with unwinding_on_terminate():
            code = cli.main(arguments, prog_name="cvm-audit", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.ClickException, click.Abort) as error:
        code = _usage(error)
    except AuditError as error:
        code = _refused(error)
    except SystemExit:
        # click ends so, with 1, when the reader of our output has left. Nobody got a verdict.
        code = EXIT_NOT_DETERMINED
    except Exception as error:  # noqa: BLE001 - the outermost boundary: a bug gets its own code
        click.echo(
            f"cvm-audit: internal error: {type(error).__name__}: {one_line(str(error))}", err=True
        )
        click.echo("cvm-audit: hint: this is a bug; please report it with the command", err=True)
        code = EXIT_BUG
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: click.ClickException | click.Abort) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return EXIT_USAGE
    message = error.format_message() if isinstance(error, click.ClickException) else "aborted"
    lines = "\n".join(one_line(line.expandtabs(2)) for line in message.splitlines())
    click.echo(f"cvm-audit: {lines}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"cvm-audit: hint: {error.ctx.command_path} --help", err=True)
    return error.exit_code if isinstance(error, click.ClickException) else EXIT_USAGE


def _refused(error: AuditError) -> int:
    click.echo(f"cvm-audit: {one_line(str(error))}", err=True)
    if error.hint:
        click.echo(f"cvm-audit: hint: {error.hint}", err=True)
    if isinstance(error, PolicyError):
        return EXIT_USAGE
    return EXIT_NOT_DETERMINED if isinstance(error, FetchError) else EXIT_FAILED
