"""``cvm-log init``: make an empty log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.log_folder import create_log

__all__ = ["command"]


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--origin", required=True, help="Name of the log: a URL without schema.")
def command(folder: Path, origin: str) -> None:
    """Make an empty log in DIR: a new key, a database, a signed checkpoint of size 0.

    Prints the verification key (vkey) that clients and witnesses need. The private key is in
    DIR/log.key; without it nobody can ever append to this log again.
    """
    click.echo(str(create_log(folder, origin=origin, now=datetime.now(UTC))))
