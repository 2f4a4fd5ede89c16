"""``cvm-log publish``: append without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.admission import admit
from log_server.errors import AdmissionError, ConfigurationError
from log_server.floor import DISK_FLOOR
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
@click.option(
    "--disk-floor",
    metavar="BYTES",
    type=click.IntRange(min=0),
    default=DISK_FLOOR,
    show_default=True,
    help="Take nothing while less is free.",
)
def command(folder: Path, files: tuple[Path, ...], *, disk_floor: int) -> None:
    """Append the content of each FILE as one entry to the log in DIR, and publish.

    Prints a line "INDEX FILE" for each, once it is durable and covered by the published
    checkpoint. An entry that is in the log keeps its first index. Refused while a server runs.

    A log with a policy takes only what its policy admits; this is how a log gets its first one.
    """
    entries = tuple(_read(path) for path in files)
    with open_log(folder, disk_floor=disk_floor) as log:
        log.sequencer.admission.allow_first_policy()
        log.sequencer.admission.require(entries)  # all of them, before the first is appended
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
