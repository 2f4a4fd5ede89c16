"""``cvm-log show``: look, without verifying."""

from __future__ import annotations

from contextlib import closing

import click

from log_server.errors import ResourceError
from log_server.publisher import CHECKPOINT_PATH
from log_server.source import LogSource, open_source
from verifier.errors import FetchError
from verifier.tlog.checkpoint import Checkpoint, parse_checkpoint
from verifier.tlog.note import MAX_NOTE_SIZE, SignedNote, parse_note
from verifier.tlog.tile import MAX_ENTRY, TILE_WIDTH, bundle_path, parse_bundle, width_for_size

__all__ = ["command"]

_UNVERIFIED = "cvm-log: nothing was verified; see cvm-log fsck"


@click.command("show")
@click.argument("location", metavar="DIR|URL")
@click.option("--index", type=click.IntRange(min=0), help="Write the bytes of this entry instead.")
def command(location: str, index: int | None) -> None:
    """Show the checkpoint of a log, or write one entry to stdout as it is. Verifies nothing."""
    with closing(open_source(location)) as source:
        note = parse_note(_fetch(source, CHECKPOINT_PATH, MAX_NOTE_SIZE))
        checkpoint = parse_checkpoint(note)
        if index is None:
            _show(note, checkpoint)
        else:
            entry = _entry(source, index, checkpoint.tree.size)
            click.echo(entry, nl=False)
    click.echo(_UNVERIFIED, err=True)


def _show(note: SignedNote, checkpoint: Checkpoint) -> None:
    click.echo(f"origin {checkpoint.origin}")
    click.echo(f"size {checkpoint.tree.size}")
    click.echo(f"root {checkpoint.tree.root.hex()}")
    for line in checkpoint.extensions:
        click.echo(f"extension {line}")
    for signature in note.signatures:
        size = len(signature.signature)
        click.echo(f"signature {signature.name} {signature.key_id.hex()} {size} bytes")


def _entry(source: LogSource, index: int, size: int) -> bytes:
    if index >= size:
        message = f"{index} (expected an index below the size {size})"
        raise click.BadParameter(message, param_hint="--index")
    number, place = divmod(index, TILE_WIDTH)
    width = width_for_size(0, number, size)
    raw = _fetch(source, bundle_path(number, width), width * (2 + MAX_ENTRY))
    return parse_bundle(raw, width=width)[place]


def _fetch(source: LogSource, path: str, limit: int) -> bytes:
    try:
        return source.fetch(path, limit=limit)
    except ResourceError as error:
        raise FetchError(error.what, expected=error.expected, got=error.got) from error
