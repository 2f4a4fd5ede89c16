"""The command line of the relay."""

from __future__ import annotations

from typing import Any

import click

from pipeline.relay.forwarding import COUNTED, Forwarding
from pipeline.role.counts import Counts
from pipeline.role.life import run_role
from pipeline.role.options import URL, RoleOptions, role_options

__all__ = ["main"]


@click.command()
@role_options
@click.option("--gateway", type=URL, required=True, help="The one gateway that is forwarded to.")
def main(*, gateway: str, **options: Any) -> None:
    """Forward encapsulated requests to one gateway, and nothing about who sent them."""
    counts = Counts(COUNTED)
    run_role(RoleOptions(**options), prepare=Forwarding(gateway, counts).routes, counts=counts)
