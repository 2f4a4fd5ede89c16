"""The program: its verbs, and the one place where exceptions become exit codes."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from log_server import __version__
from log_server.errors import ConfigurationError
from verifier.errors import AuditError, FetchError

__all__ = ["EXIT_BUG", "EXIT_DAMAGED", "EXIT_NOT_FETCHED", "EXIT_USAGE", "cli", "main"]

EXIT_DAMAGED = 1
EXIT_USAGE = 2
EXIT_NOT_FETCHED = 3
EXIT_BUG = 70

_VERBS = {
    "export": ("log_server.cli.export", "write what a log publishes as a plain folder"),
    "freeze": ("log_server.cli.freeze", "close a log for good"),
    "fsck": ("log_server.cli.fsck", "rebuild a log from its entries and compare every file"),
    "import": ("log_server.cli.import_", "make a log that can grow from an exported folder"),
    "init": ("log_server.cli.init", "make an empty log with a new key"),
    "publish": ("log_server.cli.publish", "append entry files to a log without a server"),
    "serve": ("log_server.cli.serve", "serve a log over HTTP and take entries"),
    "show": ("log_server.cli.show", "look at a checkpoint or an entry, without verifying it"),
    "witness": ("log_server.cli.witness", "cosign the checkpoints of logs"),
}


class _LazyGroup(click.Group):
    """Imports a verb when it is used: ``--help`` never loads the database or the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _VERBS:
            return None
        try:
            command: click.Command = importlib.import_module(_VERBS[cmd_name][0]).command
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("log_server", "verifier"):
                raise
            what = f"cvm-log {cmd_name}"
            expected = "the extra log: pip install 'cvm-audit[log]'"
            raise ConfigurationError(what, expected=expected, got=f"no {error.name}") from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, _VERBS[name][1]) for name in sorted(_VERBS)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cvm-log")
def cli() -> None:
    """Keep an append-only transparency log in the C2SP tlog-tiles form.

    Exit codes: 0 done or sound, 1 refused or damaged, 2 usage or unusable configuration, 3 could
    not be fetched, 70 a bug.
    """


def main() -> NoReturn:
    """Run the program with the arguments of the process, and exit."""
    try:
        code = cli.main(prog_name="cvm-log", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.ClickException, click.Abort) as error:
        code = _usage(error)
    except AuditError as error:
        code = _refused(error)
    except SystemExit:
        # Outside standalone mode click exits by itself, with 1, in one case only: the reader of
        # our output left. That says nothing about the log.
        code = EXIT_NOT_FETCHED
    except Exception as error:  # noqa: BLE001 - the outermost boundary: a bug gets its own code
        click.echo(f"cvm-log: internal error: {type(error).__name__}: {error}", err=True)
        click.echo("cvm-log: hint: this is a bug; please report it with the command", err=True)
        code = EXIT_BUG
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: click.ClickException | click.Abort) -> int:
    message = error.format_message() if isinstance(error, click.ClickException) else "aborted"
    click.echo(f"cvm-log: {message}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"cvm-log: hint: {error.ctx.command_path} --help", err=True)
    return error.exit_code if isinstance(error, click.ClickException) else EXIT_USAGE


def _refused(error: AuditError) -> int:
    click.echo(f"cvm-log: {error}", err=True)
    if error.hint:
        click.echo(f"cvm-log: hint: {error.hint}", err=True)
    if isinstance(error, ConfigurationError):
        return EXIT_USAGE
    return EXIT_NOT_FETCHED if isinstance(error, FetchError) else EXIT_DAMAGED
