"""The command line of the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.gateway.answering import COUNTED, Gateway, TokenRules
from pipeline.gateway.keys import read_gateway_key, read_issuer_key
from pipeline.gateway.spent import SpentTokens
from pipeline.gateway.tunnels import Tunnels
from pipeline.role.counts import Counts
from pipeline.role.exchange import Route
from pipeline.role.life import run_role
from pipeline.role.options import ADDRESS, FILE, FOLDER, Address, RoleOptions, role_options
from verifier.errors import PolicyError
from verifier.wire.token_challenge import TokenChallenge, encode_token_challenge

__all__ = ["main"]


@click.command()
@role_options
@click.option("--key", type=FOLDER, required=True, help="Folder with the private key.")
@click.option("--cvm", type=ADDRESS, required=True, multiple=True, help="A CVM; repeatable.")
@click.option(
    "--spent",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Database of spent tokens; made if it is not there.",
)
@click.option("--issuer-key", type=FILE, required=True, help="Public key of the issuer, DER.")
@click.option("--issuer-name", required=True, help="Name of the issuer in the token challenge.")
@click.option("--authority", required=True, help="Our name in requests and in the challenge.")
def main(
    *,
    key: Path,
    cvm: tuple[Address, ...],
    spent: Path,
    issuer_key: Path,
    issuer_name: str,
    authority: str,
    **options: Any,
) -> None:
    """Open encapsulated requests, take a token for each tunnel, carry records to CVMs."""
    counts = Counts(COUNTED)

    def prepare() -> Sequence[Route]:
        challenge = _challenge(issuer_name, authority)
        return Gateway(
            authority=authority,
            keys=(read_gateway_key(key),),
            tokens=TokenRules(read_issuer_key(issuer_key), challenge, SpentTokens(spent)),
            tunnels=Tunnels([(each.host, each.port) for each in cvm]),
            counts=counts,
        ).routes()

    run_role(RoleOptions(**options), prepare=prepare, counts=counts)


def _challenge(issuer_name: str, authority: str) -> TokenChallenge:
    try:
        # No context: it would be one more thing that the gateway could make up for one client.
        return encode_token_challenge(issuer_name=issuer_name, context=b"", origins=(authority,))
    except ValueError as error:
        expected = "names of hosts"
        raise PolicyError("--issuer-name, --authority", expected=expected, got=str(error)) from None
