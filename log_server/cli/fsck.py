"""``cvm-log fsck``: find out whether a log is sound."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from log_server.cli.app import EXIT_DAMAGED
from log_server.errors import LockedError, LogError
from log_server.examination import Damage
from log_server.fsck import Examined, examine
from log_server.source import open_source
from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.note import VerificationKey, parse_vkey

__all__ = ["command", "parse_keys"]

_TERMINAL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 10.0
_DATABASES = ("log.db", "database")


@click.command("fsck")
@click.argument("location", metavar="DIR|URL")
@click.option("--vkey", "vkeys", multiple=True, required=True, help="Key of the log; repeatable.")
@click.pass_context
def command(context: click.Context, location: str, vkeys: tuple[str, ...]) -> None:
    """Rebuild a log from its entries and compare every tile at every level with its root.

    In the directory of a log the database is compared as well, unless a server holds it. Prints
    each damaged file by its path below the log, one a line, then size and root; speed to stderr.
    Exit codes: 0 sound, 1 damaged, 2 usage, 3 could not be fetched.
    """
    keys = parse_keys(vkeys)
    started = time.monotonic()
    with closing(open_source(location)) as source:
        examined = examine(
            source,
            keys=keys,
            report=lambda damage: click.echo(str(damage)),
            progress=_progress(started),
        )
    seconds = time.monotonic() - started
    examined = _with_database(Path(location), keys, examined)
    if examined.tree is not None:
        rate = round(examined.tree.size / seconds) if seconds else 0
        click.echo(f"size {examined.tree.size}")
        click.echo(f"root {examined.tree.root.hex()}")
        click.echo(f"cvm-log: {rate} entries/s, {seconds:.2f} s", err=True)
    click.echo(f"damaged {examined.damaged}" if examined.damaged else "sound")
    context.exit(EXIT_DAMAGED if examined.damaged else 0)


def _with_database(root: Path, keys: tuple[VerificationKey, ...], examined: Examined) -> Examined:
    name = next((name for name in _DATABASES if (root / name).is_file()), None)
    if name is None:
        return examined
    # Imported here: who examines a log elsewhere needs no database.
    folder = importlib.import_module("log_server.log_folder")
    try:
        folder.examine_folder(root, keys=keys, progress=_progress(time.monotonic()))
    except LockedError as error:
        click.echo(f"cvm-log: database not examined: {error}", err=True)
    except LogError as error:
        click.echo(str(Damage(f"{name}: {error.what}", error.expected, error.got)))
        return Examined(examined.tree, examined.damaged + 1)
    return examined


def parse_keys(vkeys: tuple[str, ...]) -> tuple[VerificationKey, ...]:
    """Keys of one log from the command line. Raises click.BadParameter."""
    try:
        keys = tuple(map(parse_vkey, vkeys))
    except (ParseError, UnsupportedError) as error:
        raise click.BadParameter(str(error), param_hint="--vkey") from None
    if len({key.name for key in keys}) > 1:
        message = "keys of several logs (expected the keys of one log)"
        raise click.BadParameter(message, param_hint="--vkey")
    return keys


def _progress(started: float) -> Callable[[int, int], None]:
    terminal = sys.stderr.isatty()
    interval = _TERMINAL_SECONDS if terminal else _HEARTBEAT_SECONDS
    last = started

    def progress(done: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= interval or (terminal and done == size):
            last = now
            line = f"cvm-log: {done} of {size} entries"
            end = "\n" if done == size else "\r"
            click.echo(line + (end if terminal else "\n"), err=True, nl=False)

    return progress
