"""``cvm-audit evidence reverify BUNDLE``: judge a bundle again, with nothing but the bundle.

A bundle may record a policy, and that is the word of whoever made the bundle: it is used only when
the auditor says so, and then named on stderr each time. Roots of simulated platforms are never
taken from a bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import Policy, parse_policy
from verifier.appraisal.verdict import Verdict
from verifier.cli.files import read_bundle
from verifier.cli.judging import (
    Judging,
    judging_options,
    load_policy,
    load_roots,
    load_trusted_root,
)
from verifier.errors import ParseError, PolicyError
from verifier.evidence.bundle import Bundle, open_bundle, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.report.text import one_line

__all__ = ["reverify"]

_Found = Mapping[str, bytes | None] | bytes


@click.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.option("--policy", metavar="FILE|NAME", help="The auditor's own policy.")
@click.option(
    "--recorded-policy",
    is_flag=True,
    help="The policy that the bundle records: the word of whoever made the bundle.",
)
@click.option("--now", is_flag=True, help="Judge at the instant of this run.")
@judging_options
def reverify(
    bundle: Path, *, policy: str | None, recorded_policy: bool, now: bool, **options: Any
) -> None:
    """Judge an evidence BUNDLE again, offline, at the instant that it records.

    --at and --now name another instant. What the verdict would be today is said on stderr. Exactly
    one of --policy and --recorded-policy is needed.
    """
    judging = Judging.of(options)
    found = read_bundle(bundle)
    rules, named = _rules(found, policy=policy, recorded=recorded_policy)
    instant, source = _instant(found, judging, now=now)
    today = replace(judging, instant=datetime.now(UTC).replace(microsecond=0))
    judging = replace(judging, instant=instant, offline=True)
    verdict = _verdict(found, rules, judging)
    _say(f"the instant of this verdict, {_utc(instant)}: {source}")
    _say(_today(_verdict(found, rules, today)))
    judging.conclude(verdict, command=("evidence", "reverify", str(bundle), *named))


def _rules(found: _Found, *, policy: str | None, recorded: bool) -> tuple[Policy, tuple[str, ...]]:
    """The policy to judge by, and the option that named it."""
    if (policy is not None) == recorded:
        message = (
            "name your own policy (--policy), or take the one that the bundle records at the word "
            "of whoever made the bundle (--recorded-policy): exactly one of the two"
        )
        raise click.UsageError(message)
    if policy is not None:
        return load_policy(policy), ("--policy", policy)
    raw = open_bundle(_parse(found)).content("policy")
    if raw is None:
        expected = "a bundle with a member in the role policy"
        raise PolicyError("--recorded-policy", expected=expected, got="none is recorded")
    rules = parse_policy(raw)
    _say(
        f"the policy that the bundle records, {rules.name}, sha256 {rules.sha256.hex()}: "
        "it is the word of whoever made the bundle"
    )
    return rules, ("--recorded-policy",)


def _verdict(found: _Found, rules: Policy, judging: Judging) -> Verdict:
    return appraise_bundle(
        found,
        policy=rules,
        roots=load_roots(judging.trust_root),
        now=judging.instant,
        nonce=judging.nonce,
        trusted_root=load_trusted_root(judging.trust_root, rules),
    )


def _instant(found: _Found, judging: Judging, *, now: bool) -> tuple[datetime, str]:
    """The instant of the verdict, and who names it."""
    source = click.get_current_context().get_parameter_source("instant")
    if source is not ParameterSource.DEFAULT:
        if now:
            message = "--at and --now name two instants"
            raise click.UsageError(message)
        return judging.instant, "from --at"
    try:
        captured = _parse(found).captured
    except ParseError:
        now = True  # the verdict is then about the bundle's format alone
    if now:
        return judging.instant, "the clock of this machine"
    if captured > judging.instant:
        expected = f"{_utc(judging.instant)}, which is now, or before"
        raise ParseError("bundle.json.captured", expected=expected, got=_utc(captured))
    return captured, "recorded in the bundle: it is the word of whoever made the bundle"


def _today(verdict: Verdict) -> str:
    failed = [f.check for f in verdict.findings if f.status is Status.FAIL]
    unmade = [f.check for f in verdict.skipped if f.check in verdict.required]
    parts = [f"today, at {_utc(verdict.instant)}: {verdict.outcome}"]
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not made: {', '.join(unmade)}"] if unmade else []
    return "; ".join(parts)


def _parse(found: _Found) -> Bundle:
    return parse_bundle(parse_bundle_tar(found) if isinstance(found, bytes) else found)


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _say(text: str) -> None:
    click.echo(f"cvm-audit: {one_line(text)}", err=True)
