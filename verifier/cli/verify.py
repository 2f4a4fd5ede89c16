"""``cvm-audit verify BUNDLE``: everything that the policy requires, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise import appraise_bundle
from verifier.cli.files import read_bundle
from verifier.cli.judging import (
    Judging,
    judging_options,
    load_policy,
    load_roots,
    load_trusted_root,
)

__all__ = ["verify"]


@click.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--policy",
    required=True,
    metavar="FILE|NAME",
    help="The auditor's own policy (TOML), or a built-in one. Never taken from the bundle.",
)
@judging_options
def verify(bundle: Path, policy: str, **options: Any) -> None:
    """Judge an evidence BUNDLE (a folder with bundle.json, or its tar) under a policy.

    Reads files only; opens no socket, with or without --offline.
    """
    judging = Judging.of(options)
    rules = load_policy(policy)
    verdict = appraise_bundle(
        read_bundle(bundle),
        policy=rules,
        roots=load_roots(judging.trust_root),
        now=judging.instant,
        nonce=judging.nonce,
        trusted_root=load_trusted_root(judging.trust_root, rules),
    )
    judging.conclude(verdict, command=("verify", str(bundle), "--policy", policy))
