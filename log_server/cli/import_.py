"""``cvm-log import``: from an exported folder back to a log that can grow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.cli.fsck import parse_keys
from log_server.errors import ConfigurationError
from log_server.store.database_url import parse_database_url
from log_server.transfer import import_log
from verifier.tlog.note import MAX_NOTE_SIZE

__all__ = ["command"]


@click.command("import")
@click.argument("exported", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--vkey", "vkeys", multiple=True, required=True, help="Key of the log; repeatable.")
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Private key file of the log; it is copied.",
)
@click.option(
    "--newest",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Newest checkpoint known anywhere: the old anchor, or what a witness has.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Keep the entries in this PostgreSQL database: postgresql+psycopg://USER@HOST/NAME.",
)
def command(
    exported: Path,
    folder: Path,
    *,
    vkeys: tuple[str, ...],
    key_file: Path,
    newest: Path,
    database: str | None,
) -> None:
    """Make the log of an exported FOLDER, able to grow, in the new directory DIR.

    Refused unless every file verifies, the private key is that of --vkey, and the export reaches
    the --newest checkpoint: a log that goes on from an older one signs a second tree of the same
    size, and is lost. Make sure that the old log never runs again. Prints size and root.
    """
    tree = import_log(
        exported,
        folder,
        key_file=key_file,
        keys=parse_keys(vkeys),
        newest=_read(newest),
        now=datetime.now(UTC),
        database=None if database is None else parse_database_url(database),
    )
    click.echo(f"size {tree.size}")
    click.echo(f"root {tree.root.hex()}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_SIZE + 1)
    except OSError as error:
        got = error.strerror or "an error"
        raise ConfigurationError(str(path), expected="a checkpoint", got=got) from error
