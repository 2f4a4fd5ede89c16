"""The drive through the whole private path: relay, gateway, and one of two CVMs of the release.

What is seen on the way is only collected here: ``verifier.appraisal.drive`` judges it. The first
session's evidence is what the bundle holds, with the keys that it went under and the record of
everything else that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from types import MappingProxyType

from verifier.appraisal.drive.driven import (
    Compared,
    Done,
    Scope,
    Seen,
    Stopped,
    Way,
    stopped,
)
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.client.client import AttestedClient
from verifier.client.deployment import Deployment
from verifier.drive.attempt import attempt
from verifier.drive.boots import FirstBoot, Guest, Say, boots_beside, first_boot
from verifier.drive.cvms import Cvms, restartable
from verifier.drive.direct import Drive, concluded, released_artifacts
from verifier.drive.lab import CVM_HOPS, Lab, ProbeFunction
from verifier.drive.laboratory import distant_lab, watched_lab
from verifier.drive.machine import Boot, Machine
from verifier.drive.path import running_path
from verifier.drive.plan import PathPlan, Plan, Rules
from verifier.drive.probes.table import PROBE_FUNCTIONS, PROBES_BEFORE
from verifier.drive.talk import Talked, compare_measurement, compare_release
from verifier.errors import AuditError, PolicyError
from verifier.evidence.bundle import open_bundle, parse_bundle
from verifier.library import NotVerifiedError

__all__ = [
    "Cvms",
    "Drive",
    "PathPlan",
    "drive_booted_path",
    "drive_deployment",
    "drive_path",
]

_UNREPLACED: Mapping[str, str] = MappingProxyType({})


def drive_path(
    plan: PathPlan, *, cvms: Cvms, replaced: Mapping[str, str] = _UNREPLACED, say: Say
) -> Drive:
    """Drive CVMs that run already, through a path that is started in front of them.

    ``replaced`` maps a role to the module that is run in its place. Nothing is booted, so the
    verdict is at best PARTIAL. ``say`` gets a line at each step. Whatever is wrong with path or
    CVMs is in the verdict; PolicyError for a policy that does not say whose keys count.
    """
    _require_keys(plan)
    talked = _walked(plan, cvms, replaced, say)
    scope = Scope(machine=False, boots=False, way=Way.GIVEN)
    return concluded(plan, scope, talked.seen, first=None, talked=talked)


def drive_booted_path(plan: Plan, path: PathPlan, *, say: Say) -> Drive:
    """Boot two CVMs of the release, drive them through a path, and boot what must be refused.

    Otherwise as ``drive_path``.
    """
    _require_keys(plan)
    seen: dict[str, Seen] = {"drive.artifacts": attempt(partial(released_artifacts, plan))}
    first: FirstBoot | None = None
    talked: Talked | None = None
    if not isinstance(seen["drive.artifacts"], Stopped):
        use = partial(_walked_booted, plan, path, say)
        first, talked = first_boot(plan, use, say, guests=len(CVM_HOPS))
        seen["drive.boot"] = first.seen
        if talked is not None:
            seen |= talked.seen
        if plan.tamper and first.serves and first.boot is not None:
            seen |= boots_beside(first.boot, took=first.seconds, seconds=plan.seconds, say=say)
    return concluded(plan, plan.scope(Way.PATH), seen, first=first, talked=talked)


def drive_deployment(
    rules: Rules, deployment: Deployment, *, bearers: Sequence[str], say: Say
) -> Drive:
    """Drive what somebody else runs; ``bearers`` are secrets of accounts with its issuer.

    Its hops cannot be watched and its CVMs were booted elsewhere, so the verdict is at best
    PARTIAL. Otherwise as ``drive_path``.
    """
    _require_keys(rules)
    talked = _probed(rules, distant_lab(rules, deployment, bearers=bearers), None, say)
    scope = Scope(machine=False, boots=False, way=Way.DEPLOYMENT)
    return concluded(rules, scope, talked.seen, first=None, talked=talked)


def _require_keys(rules: Rules) -> None:
    if rules.policy.keys is None:
        expected = 'require = ["keys", "log", …], for a session through the private path'
        got = ", ".join(rules.policy.require)
        raise PolicyError("policy.require", expected=expected, got=got)


def _walked_booted(
    plan: Plan, path: PathPlan, say: Say, guests: tuple[Guest, ...], boot: Boot
) -> Talked:
    measured = None
    if isinstance(guests[0], Machine):  # a sandbox measures nothing that it runs
        measured = partial(compare_measurement, plan, guests[0])
    with restartable(guests, boot, seconds=plan.seconds) as cvms:
        return _walked(path, cvms, _UNREPLACED, say, measured)


def _walked(
    plan: PathPlan,
    cvms: Cvms,
    replaced: Mapping[str, str],
    say: Say,
    measured: Callable[[bytes], Seen] | None = None,
) -> Talked:
    say("path: key CDN, issuer, gateway and relay are starting")
    try:
        with running_path(
            plan.keys, plan.logged, cvms=cvms.addresses, replaced=replaced
        ) as running:

            def restart(number: int) -> None:
                say(f"CVM {number}: ended, and starting again")
                running.taps[CVM_HOPS[number]].move_to(cvms.restart(number))

            say(f"path: {len(running.roles)} roles run, {len(running.taps)} hops are watched")
            lab = watched_lab(plan, running, restart=restart, consoles=cvms.consoles)
            return _probed(plan, lab, measured, say)
    except AuditError as error:
        return _ended({"drive.session": stopped(error)})


def _probed(rules: Rules, lab: Lab, measured: Callable[[bytes], Seen] | None, say: Say) -> Talked:
    before = _made(PROBES_BEFORE, lab, say)
    with lab.new_client() as client:
        talked = _session(rules, client, measured)
    words = "none came" if talked.evidence is None else str(talked.evidence.outcome)
    say(f"evidence, through the path: {words}")
    seen = {**before, **talked.seen}
    match seen.get("drive.release"):  # which is compared only if the evidence is VERIFIED
        case Compared(expected=expected, got=got) if expected == got:
            seen |= _made(PROBE_FUNCTIONS, lab, say)
        case Compared():
            say("probes are not made, because another release answers")
    return replace(talked, seen=seen)


def _made(probes: Sequence[ProbeFunction], lab: Lab, say: Say) -> dict[str, Seen]:
    seen: dict[str, Seen] = {}
    for number, probe in enumerate(probes, 1):
        name = probe.__name__.removeprefix("probe_").replace("_", " ")
        say(f"probe {number} of {len(probes)}: {name}")
        made = probe(lab)
        seen |= made
        if not made:
            say(f"probe {name}: it needs to watch the path, which runs elsewhere")
        for each in made.values():
            if isinstance(each, Stopped):
                say(f"probe {name}: {each.got}")
    return seen


def _session(
    rules: Rules, client: AttestedClient, measured: Callable[[bytes], Seen] | None
) -> Talked:
    """The session whose evidence is kept; nothing is said in it."""
    try:
        verdict = client.connect()
    except NotVerifiedError as error:
        verdict = error.verdict
    except AuditError as error:
        return _ended({"drive.session": stopped(error)})
    if not client.bundle:  # the keys did not hold, so that no CVM was reached
        return Talked(evidence=verdict, contents={}, report=None, seen={})
    return _collected(rules, client.bundle, verdict, measured)


def _collected(
    rules: Rules,
    files: Mapping[str, bytes],
    verdict: Verdict,
    measured: Callable[[bytes], Seen] | None,
) -> Talked:
    bundle = open_bundle(parse_bundle(files))
    report, entry = (bundle.content(role) or b"" for role in ("snp-report", "release-entry"))
    seen: dict[str, Seen] = {
        "drive.session": Done("evidence for our nonce, through relay and gateway")
    }
    if verdict.outcome is Outcome.VERIFIED:
        seen["drive.release"] = compare_release(rules.entry, entry)
        if measured is not None:
            seen["drive.measurement"] = attempt(partial(measured, report))
    return Talked(
        evidence=verdict,
        contents={each.path: (each.role, bundle.contents[each.path]) for each in bundle.members},
        report=sha256(report).digest(),
        seen=seen,
    )


def _ended(seen: Mapping[str, Seen]) -> Talked:
    return Talked(evidence=None, contents={}, report=None, seen=seen)
