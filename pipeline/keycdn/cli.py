"""The command line of the key CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.keycdn.serving import key_route
from pipeline.role.counts import Counts
from pipeline.role.life import run_role
from pipeline.role.options import FOLDER, RoleOptions, role_options

__all__ = ["main"]


@click.command()
@role_options
@click.option(
    "--logged",
    type=FOLDER,
    required=True,
    multiple=True,
    help="Folder with entry.json and entry.tlog-proof of a key configuration; repeatable.",
)
def main(*, logged: tuple[Path, ...], **options: Any) -> None:
    """Give everybody the same logged key configurations, each with its proof."""
    run_role(RoleOptions(**options), prepare=lambda: (key_route(logged),), counts=Counts(()))
