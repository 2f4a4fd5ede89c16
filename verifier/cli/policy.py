"""``cvm-audit policy``: look a policy over, say it in words, or pin one to what was verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from verifier.appraisal.appraise import appraise_bundle_in_full
from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.appraisal.policy import parse_policy, policy_document
from verifier.appraisal.policy_lint import lint_policy
from verifier.appraisal.policy_pin import encode_toml, pinned_rules
from verifier.appraisal.verdict import Outcome
from verifier.cli.files import read_bundle, write_file
from verifier.cli.judging import (
    instant_option,
    load_policy,
    load_roots,
    nonce_option,
    policy_bytes,
    trust_root_option,
)
from verifier.errors import PolicyError, VerificationError
from verifier.report.policy_words import render_policy
from verifier.report.text import one_line

__all__ = ["policy"]

_TOFU = (
    "# Trust on first use: this holds later evidence to what was seen once, on {instant}.\n"
    "# It does not say that what was seen was right. Made from bundle sha256 {digest},\n"
    "# under policy {name} (sha256 {policy}).\n"
)


@click.group()
def policy() -> None:
    """Look over, explain or pin an appraisal policy."""


@policy.command("list")
def list_() -> None:
    """List the built-in policies. None of them is ever a default."""
    for name, text in BUILT_IN.items():
        click.echo(f"{name}  sha256 {parse_policy(text.encode()).sha256.hex()}")


@policy.command()
@click.argument("name", metavar="FILE|NAME")
def show(name: str) -> None:
    """Print a policy as it is written; a built-in one to start your own from."""
    raw = policy_bytes(name)
    parse_policy(raw)
    click.echo(raw.decode("utf-8"), nl=False)


@policy.command()
@click.argument("name", metavar="FILE|NAME")
def lint(name: str) -> None:
    """Name the rules of a policy that let much pass.

    Exit 0 if there are none, 1 if there are some, 2 if the policy is unusable.
    """
    remarks = lint_policy(load_policy(name))
    for remark in remarks:
        click.echo(one_line(f"{remark.key}: {remark.text}"))
    click.echo(f"cvm-audit: {len(remarks)} remarks", err=True)
    raise click.exceptions.Exit(1 if remarks else 0)


@policy.command()
@click.argument("name", metavar="FILE|NAME")
def explain(name: str) -> None:
    """Say in words what a policy would accept, its base filled in."""
    lines = render_policy(load_policy(name)).splitlines()
    click.echo("\n".join(map(one_line, lines)))


@policy.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.option("--policy", "name", required=True, metavar="FILE|NAME", help="What it passed under.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="New file.")
@instant_option
@nonce_option
@trust_root_option
def pin(bundle: Path, name: str, output: Path, **options: Any) -> None:
    """Write a policy that accepts this BUNDLE's evidence and nothing weaker.

    The bundle must pass under --policy: VERIFIED, or PARTIAL for what that policy leaves out. This
    is trust on first use, and the file says so.
    """
    raw = policy_bytes(name)
    appraised = appraise_bundle_in_full(
        read_bundle(bundle),
        policy=parse_policy(raw),
        roots=load_roots(options["trust_root"]),
        now=options["instant"],
        nonce=options["nonce"],
    )
    verdict, authentic = appraised.verdict, appraised.authentic
    if verdict.outcome not in (Outcome.VERIFIED, Outcome.PARTIAL):
        expected = "VERIFIED or PARTIAL under the policy"
        raise VerificationError(str(bundle), expected=expected, got=str(verdict.outcome))
    if authentic is None:
        expected = 'require = ["evidence", …], which is what is pinned'
        raise PolicyError("policy.require", expected=expected, got=", ".join(verdict.stages))
    document = policy_document(raw)
    document.pop("base", None)
    document["name"] = f"{verdict.policy_name[:86]}-pinned"
    document["sev_snp"] = pinned_rules(document["sev_snp"], authentic)
    head = _TOFU.format(
        instant=f"{verdict.instant:%Y-%m-%dT%H:%M:%SZ}",
        digest=verdict.target.sha256.hex(),
        name=verdict.policy_name,
        policy=verdict.policy_sha256.hex(),
    )
    text = (head + encode_toml(document)).encode()
    parse_policy(text)  # what we write is what we would accept
    write_file(output, text)
    message = "trust on first use: it accepts what was seen, right or wrong"
    click.echo(f"cvm-audit: {output}: {message}", err=True)
