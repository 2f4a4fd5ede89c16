"""The command line of the issuer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.issuer.accounts import MAX_ACCOUNTS_FILE, BearerAccounts, parse_accounts
from pipeline.issuer.issuing import COUNTED, Issuing, read_signer_key
from pipeline.role.counts import Counts
from pipeline.role.exchange import Route
from pipeline.role.life import run_role
from pipeline.role.options import FILE, FOLDER, RoleOptions, role_options
from verifier.errors import FetchError

__all__ = ["main"]


@click.command()
@role_options
@click.option("--key", type=FOLDER, required=True, help="Folder with the private key.")
@click.option("--accounts", type=FILE, required=True, help="NAME PER_DAY SHA256, a line each.")
@click.option(
    "--issued",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Database of how many tokens each account had today; made if it is not there.",
)
def main(*, key: Path, accounts: Path, issued: Path, **options: Any) -> None:
    """Sign blinded tokens for those who have an account."""
    counts = Counts(COUNTED)

    def prepare() -> Sequence[Route]:
        known = parse_accounts(_read(accounts))
        return Issuing(read_signer_key(key), BearerAccounts(known, issued), counts).routes()

    run_role(RoleOptions(**options), prepare=prepare, counts=counts)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_ACCOUNTS_FILE + 1)
    if len(content) > MAX_ACCOUNTS_FILE:
        raise FetchError(str(path), expected=f"at most {MAX_ACCOUNTS_FILE} bytes", got="more")
    return content
