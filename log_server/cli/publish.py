"""``cvm-log publish``: append without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.admission import admit
from log_server.errors import AdmissionError, ConfigurationError
from log_server.log_folder import open_log
from verifier.errors import ParseError
from verifier.tlog.tile import MAX_ENTRY

__all__ = ["command"]

_BATCH = 256


@click.command("publish")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
def command(folder: Path, files: tuple[Path, ...]) -> None:
    """Append the content of each FILE as one entry to the log in DIR, and publish.

    Prints a line "INDEX FILE" for each, once it is durable and covered by the published
    checkpoint. An entry that is in the log keeps its first index. Refused while a server runs.
    """
    entries = tuple(_read(path) for path in files)
    with open_log(folder) as log:
        for start in range(0, len(files), _BATCH):
            part = slice(start, start + _BATCH)
            done = log.sequencer.commit(entries[part], now=datetime.now(UTC))
            for index, path in zip(done.indices, files[part], strict=True):
                click.echo(f"{index} {path}")


def _read(path: Path) -> bytes:
    # Every file is read and checked before the first is appended.
    try:
        with path.open("rb") as file:
            return admit(file.read(MAX_ENTRY + 1))
    except OSError as error:
        got = error.strerror or "an error"
        raise ConfigurationError(str(path), expected="a readable file", got=got) from error
    except (ParseError, AdmissionError) as error:
        raise ConfigurationError(str(path), expected=error.expected, got=error.got) from error
