"""``cvm-log export``: the published log as a plain folder."""

from __future__ import annotations

from pathlib import Path

import click

from log_server.transfer import export_log

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="Where to; must not exist.",
)
def command(folder: Path, target: Path) -> None:
    """Write the log in DIR as a self-contained FOLDER that any static web server can serve.

    It holds the checkpoint, all complete tiles and bundles, and the partial ones of the newest
    size only; no private key. Everything is examined before FOLDER appears. A server may run.
    Prints size, root and the keys of the log.
    """
    tree, keys = export_log(folder, target)
    click.echo(f"size {tree.size}")
    click.echo(f"root {tree.root.hex()}")
    for key in keys:
        click.echo(f"key {key}")
