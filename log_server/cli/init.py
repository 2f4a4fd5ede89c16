"""``cvm-log init``: make an empty log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.log_folder import LogFolder, create_log
from log_server.signer import read_signers
from log_server.store.database_url import parse_database_url

__all__ = ["command"]


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--origin", required=True, help="Name of the log: a URL without schema.")
@click.option("--ml-dsa", is_flag=True, help="Sign with an ML-DSA-44 key too.")
@click.option(
    "--database",
    metavar="URL",
    help="Keep the entries in this PostgreSQL database: postgresql+psycopg://USER@HOST/NAME.",
)
def command(folder: Path, origin: str, *, ml_dsa: bool, database: str | None) -> None:
    """Make an empty log in DIR: a new key, a database, a signed checkpoint of size 0.

    Prints the Ed25519 verification key (vkey) that clients and witnesses need, alone on stdout;
    that of ML-DSA-44 goes to stderr. The private keys are in DIR/log.key; without them nobody can
    ever append to this log again.
    """
    key = create_log(
        folder,
        origin=origin,
        now=datetime.now(UTC),
        ml_dsa=ml_dsa,
        database=None if database is None else parse_database_url(database),
    )
    click.echo(str(key))
    for signer in read_signers(LogFolder(folder).key)[1:]:
        click.echo(f"cvm-log: key {signer.key}", err=True)
