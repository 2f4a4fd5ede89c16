"""``cvm-log freeze``: close a log for good."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.freeze import freeze
from log_server.log_folder import open_log

__all__ = ["command"]


@click.command("freeze")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why, in one line; shown to whoever tries to write.")
def command(folder: Path, reason: str) -> None:
    """Close the log in DIR for good: serve and publish refuse it from now on, with the reason.

    What is published stays as it is and readable. Refused while a server runs, and
    while too few witnesses cosigned the head. Prints the last size and root.
    """
    with open_log(folder) as log:
        # A head that waits for witnesses could never be published again.
        log.sequencer.require_published()
        tree = log.sequencer.head.tree
        freeze(log.folder.frozen, tree=tree, reason=reason, now=datetime.now(UTC))
    click.echo(f"size {tree.size}")
    click.echo(f"root {tree.root.hex()}")
    click.echo("frozen")
