"""What a drive says to the guest that serves: a nonce, and random texts if that is VERIFIED."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from verifier.appraisal.drive.driven import Compared, Done, Seen, stopped
from verifier.appraisal.verdict import Verdict
from verifier.client.session import (
    AttestedSession,
    SessionEvidence,
    collect_evidence,
    files_of_bundle,
)
from verifier.client.tls import TlsClient, connected
from verifier.drive.attempt import attempt
from verifier.drive.boots import Guest
from verifier.drive.challenge import Asked, make_challenge, pose, pose_chat
from verifier.drive.machine import Machine
from verifier.drive.plan import Plan
from verifier.errors import AuditError
from verifier.evidence.snp_report import parse_report
from verifier.library import NotVerifiedError, verify_bundle
from verifier.measurement.sev_snp import (
    SNP_ACTIVE,
    VCPU_SIGNATURES,
    Vmm,
    launch_digest,
    launch_inputs_from_binaries,
)
from verifier.wire.attested_tls import EvidenceAnswer
from verifier.wire.service import SummaryRequest

__all__ = ["Talked", "compare_measurement", "compare_release", "talk"]

_EXCHANGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Talked:
    """What came of one session. ``evidence`` is the verdict on ``contents``, None if none came.

    ``contents`` are the members of a bundle: path to role and bytes. ``report`` is the SHA-256 of
    the report, None where none came.
    """

    evidence: Verdict | None
    contents: Mapping[str, tuple[str, bytes]]
    report: bytes | None
    seen: Mapping[str, Seen]


def talk(guest: Guest, plan: Plan) -> Talked:
    """Collect the evidence of ``guest``, judge it, and ask only if it is VERIFIED.

    Raises no AuditError: what a guest does wrong is what was seen of it.
    """
    try:
        with connected(guest.address, seconds=_EXCHANGE_SECONDS) as client:
            evidence = collect_evidence(client)
            contents = evidence.contents(policy=plan.policy_text, crl=plan.crl)
            return _judged(guest, plan, client, evidence, contents)
    except AuditError as error:
        seen = {"drive.session": stopped(error)}
        return Talked(evidence=None, contents={}, report=None, seen=seen)


def _judged(
    guest: Guest,
    plan: Plan,
    client: TlsClient,
    evidence: SessionEvidence,
    contents: Mapping[str, tuple[str, bytes]],
) -> Talked:
    words = f"evidence for our nonce, bound by the {evidence.binding.level} of this session"
    seen: dict[str, Seen] = {"drive.session": Done(words)}
    try:
        verified = verify_bundle(
            files_of_bundle(contents, captured=plan.now),
            policy=plan.policy,
            roots=plan.roots,
            now=plan.now,
            nonce=evidence.nonce,
            trusted_root=plan.trusted_root,
        )
    except NotVerifiedError as error:
        verdict = error.verdict
    else:
        verdict = verified.verdict
        seen |= _asked(guest, plan, evidence.answer, AttestedSession(client, evidence, verified))
    digest = sha256(evidence.answer.report).digest()
    return Talked(evidence=verdict, contents=contents, report=digest, seen=seen)


def _asked(
    guest: Guest, plan: Plan, answer: EvidenceAnswer, session: AttestedSession
) -> Mapping[str, Seen]:
    seen: dict[str, Seen] = {"drive.release": compare_release(plan.entry, answer.release_entry)}
    if isinstance(guest, Machine):  # a sandbox measures nothing that it runs
        seen["drive.measurement"] = attempt(lambda: compare_measurement(plan, guest, answer.report))
    seen["drive.answer"] = attempt(lambda: _answered(guest, session, plan.chat))
    return seen


def compare_release(ours: bytes, theirs: bytes) -> Compared:
    """The entry that has to answer, beside the one that the guest serves under."""
    expected, got = (sha256(entry).hexdigest() for entry in (ours, theirs))
    return Compared(expected=expected, got=got, source="release-entry")


def compare_measurement(plan: Plan, machine: Machine, report: bytes) -> Compared:
    """The measurement predicted from the booted bytes, beside the one in ``report``.

    Raises ParseError.
    """
    # The release may have many rows; this is the one of the very bytes that were booted.
    inputs = launch_inputs_from_binaries(
        firmware=plan.artifacts.firmware,
        kernel=plan.artifacts.kernel,
        initrd=plan.artifacts.initrd,
        cmdline=plan.artifacts.cmdline,
        vcpus=plan.shape.vcpus,
        vcpu_signature=VCPU_SIGNATURES[plan.shape.vcpu_type],
        guest_features=SNP_ACTIVE,
        vmm=Vmm.QEMU,
    )
    reported, measured = parse_report(report).measurement, machine.measurement
    got = reported.hex()
    if measured not in (None, reported):
        got += f"; the simulated processor measured {measured.hex()}"
    return Compared(expected=launch_digest(inputs).hex(), got=got, source="snp-report")


def _answered(guest: Guest, session: Asked, chat: SummaryRequest | None) -> Done:
    asked = pose(session, make_challenge())
    summary = pose_chat(session, chat)
    seconds = time.monotonic() - guest.since
    return Done(f"{asked} of {asked} as predicted, {seconds:.1f} s after the start{summary}")
