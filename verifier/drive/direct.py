"""The direct drive: boot the logged artifacts, judge the machine's evidence, ask, and tamper.

Nothing lies between the client and the CVM here, no relay and no gateway. Every step ends as a
``Shown``; the level that is reached is the lowest that any of them allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.appraisal.policy import Policy
from verifier.appraisal.verdict import Verdict
from verifier.drive.artifacts import Artifacts, Tamper, check_artifacts, hash_table, tampered
from verifier.drive.attested_session import AttestedSession, collect_evidence
from verifier.drive.challenge import make_challenge, pose
from verifier.drive.level import THIS_HOST, Accelerator, Level, accelerators
from verifier.drive.machine import Boot, Ended, Machine, Start, booted
from verifier.drive.qemu import Shape
from verifier.drive.sandbox import SandboxedGuest, sandboxed
from verifier.drive.tls_client import connected
from verifier.errors import AuditError, FetchError, UnsupportedError, VerificationError
from verifier.evidence.snp_report import parse_report
from verifier.library import NotVerifiedError, verify_bundle
from verifier.measurement.sev_snp import (
    SNP_ACTIVE,
    VCPU_SIGNATURES,
    Vmm,
    launch_digest,
    launch_inputs_from_binaries,
)
from verifier.release.entry import parse_release_entry
from verifier.roots.snp_root import Platform, SnpRoot
from verifier.wire.attested_tls import EvidenceAnswer

if TYPE_CHECKING:  # loads the library of Sigstore
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = ["Driven", "Plan", "Shown", "concluded", "drive_direct"]

_EXCHANGE_SECONDS = 60.0
_PROBE_SECONDS = 2.0
_PATIENCE = 3  # a refusal is silent: so many good boots are waited for
_LEAST_PATIENCE = 12.0
_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to drive, and under whose rules. ``seconds`` bounds the first boot.

    ``process`` boots nothing: the image's program runs in a sandbox of this host.

    ``policy_text`` is the policy's file, which the bundle records. ``platform`` is the folder of
    the simulated platform.
    """

    artifacts: Artifacts
    entry: bytes
    proof: bytes
    shape: Shape
    platform: Path
    policy: Policy
    policy_text: bytes
    roots: tuple[SnpRoot, ...]
    trusted_root: TrustedRoot | None
    now: datetime
    seconds: float
    process: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing that a drive showed, or did not."""

    check: str
    holds: bool
    expected: str
    got: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What came of a drive. ``bundle`` holds the files of the evidence that ``verdict`` is about.

    ``boot_seconds`` are from the start of QEMU until the guest served, ``answer_seconds`` until
    the first answer of a verified session, None where there was none.
    """

    level: Level
    accelerator: Accelerator
    shown: tuple[Shown, ...]
    verdict: Verdict
    bundle: Mapping[str, bytes]
    boot_seconds: float
    answer_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    shown: tuple[Shown, ...]
    verdict: Verdict
    bundle: Mapping[str, bytes]
    answer_seconds: float | None


def drive_direct(plan: Plan, *, tamper: bool, say: Callable[[str], None]) -> Driven:
    """Boot the release and judge it; with ``tamper``, also boot what its firmware must refuse.

    ``say`` gets a line at each step. Raises VerificationError if the artifacts are not those of
    the release or the guest itself declines to serve, FetchError if nothing boots here, ParseError
    for what cannot be booted.
    """
    if tamper and plan.process:
        raise ValueError("without firmware nothing refuses a tamper")
    check_artifacts(plan.artifacts, parse_release_entry(plan.entry))
    boot, ended, session = (_in_sandbox if plan.process else _good_boot)(plan, say)
    say(f"{boot.accelerator}: ready after {ended.seconds:.1f} s; {session.verdict.outcome}")
    shown = (_boot_shown(ended), *session.shown)
    if tamper:
        limit = max(_LEAST_PATIENCE, _PATIENCE * ended.seconds)
        say(f"tampered boots, {limit:.0f} s each, and one that is not tampered with")
        shown += _tamper_boots(boot, limit)
    level = _level(boot, shown, session.verdict)
    return Driven(
        level=level,
        accelerator=boot.accelerator,
        shown=shown,
        verdict=concluded(session.verdict, level=level),
        bundle=session.bundle,
        boot_seconds=ended.seconds,
        answer_seconds=session.answer_seconds,
    )


def concluded(verdict: Verdict, *, level: Level) -> Verdict:
    """The verdict of a drive at ``level``: without a measured boot at best PARTIAL.

    A processor that signs for a program without having seen it start proves no measurement, and
    whoever reads the last line or the exit code alone must not take it for one.
    """
    if level is not Level.PROCESS:
        return verdict
    return replace(verdict, not_proven=(*verdict.not_proven, "release.measurement"))


def _good_boot(plan: Plan, say: Callable[[str], None]) -> tuple[Boot, Ended, _Session]:
    reason = "nothing was tried"
    for accelerator in accelerators(THIS_HOST):
        boot = _boot(plan, accelerator)
        say(f"{accelerator}: booting")
        with ExitStack() as stack:
            try:
                machine = stack.enter_context(booted(boot))
            except (FetchError, UnsupportedError) as error:
                # Hardware that does not work as it says is why there is a next one to try.
                reason = str(error)
                say(f"{accelerator}: {reason}")
                continue
            ended = machine.wait(plan.seconds)
            if ended.start is Start.READY:
                return boot, ended, _talk(machine, plan)
        reason = ended.words
        say(f"{accelerator}: {reason}")
        if ended.start is Start.DECLINED:
            raise VerificationError("boot", expected="a guest that serves", got=reason)
    raise FetchError("boot", expected="a guest that serves", got=reason)


def _in_sandbox(plan: Plan, say: Callable[[str], None]) -> tuple[Boot, Ended, _Session]:
    boot = _boot(plan, Accelerator.BWRAP)
    say(f"{boot.accelerator}: no machine, and nothing measured at boot")
    with sandboxed(boot) as guest:
        ended = guest.wait(plan.seconds)
        if ended.start is Start.READY:
            return boot, ended, _talk(guest, plan)
    error = VerificationError if ended.start is Start.DECLINED else FetchError
    raise error("boot", expected="a guest that serves", got=ended.words)


def _boot(plan: Plan, accelerator: Accelerator) -> Boot:
    table, gpa = hash_table(plan.artifacts)
    return Boot(
        artifacts=plan.artifacts,
        table=table,
        table_gpa=gpa,
        shape=plan.shape,
        accelerator=accelerator,
        entry=plan.entry,
        proof=plan.proof,
        platform=None if accelerator is Accelerator.SNP else plan.platform,
    )


def _talk(machine: Machine | SandboxedGuest, plan: Plan) -> _Session:
    with connected(machine.address, seconds=_EXCHANGE_SECONDS) as client:
        evidence = collect_evidence(client)
        bundle = evidence.bundle(policy=plan.policy_text, captured=plan.now)
        try:
            verified = verify_bundle(
                bundle,
                policy=plan.policy,
                roots=plan.roots,
                now=plan.now,
                nonce=evidence.nonce,
                trusted_root=plan.trusted_root,
            )
        except NotVerifiedError as error:
            return _Session(shown=(), verdict=error.verdict, bundle=bundle, answer_seconds=None)
        shown: tuple[Shown, ...] = (_release_shown(plan, evidence.answer),)
        if isinstance(machine, Machine):  # a sandbox measures nothing that it runs
            shown += (_measured(plan, machine, evidence.answer),)
        answered = _answered(AttestedSession(client, verified))
        seconds = time.monotonic() - machine.since
    return _Session(
        shown=(*shown, answered),
        verdict=verified.verdict,
        bundle=bundle,
        answer_seconds=seconds,
    )


def _boot_shown(ended: Ended) -> Shown:
    return Shown("drive.boot", holds=True, expected="a guest that serves", got=ended.words)


def _release_shown(plan: Plan, answer: EvidenceAnswer) -> Shown:
    expected, got = (sha256(entry).hexdigest() for entry in (plan.entry, answer.release_entry))
    return Shown("drive.release", holds=expected == got, expected=expected, got=got)


def _measured(plan: Plan, machine: Machine, answer: EvidenceAnswer) -> Shown:
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
    predicted, reported = launch_digest(inputs), parse_report(answer.report).measurement
    holds = predicted == reported and machine.measurement in (None, predicted)
    expected, got = predicted.hex(), reported.hex()
    return Shown("drive.measurement", holds=holds, expected=expected, got=got)


def _answered(session: AttestedSession) -> Shown:
    check, expected = "drive.answer", "the predicted answers to random texts"
    try:
        asked = pose(session, make_challenge())
    except AuditError as error:
        return Shown(check, holds=False, expected=expected, got=str(error))
    return Shown(check, holds=True, expected=expected, got=f"{asked} of {asked}")


def _tamper_boots(good: Boot, limit: float) -> tuple[Shown, ...]:
    """Every tamper, and the untouched boot under the same load: else a slow host refuses all."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        refused = [pool.submit(_refused, good, tamper, limit) for tamper in Tamper]
        control = pool.submit(_control, good, limit)
        return (*(each.result() for each in refused), control.result())


def _refused(good: Boot, tamper: Tamper, limit: float) -> Shown:
    boot = replace(
        good,
        artifacts=tampered(good.artifacts, tamper),
        table=None if tamper is Tamper.NO_TABLE else good.table,
    )
    # Firmware that refuses spins for ever. A guest that crashes or declines was let in; only on
    # hardware, where the processor measures the changed bytes, is it right to find that out late.
    on_hardware = (Start.SILENT, Start.ENDED, Start.DECLINED)
    enough = on_hardware if good.accelerator is Accelerator.SNP else (Start.SILENT,)
    with booted(boot) as machine:
        ended = machine.wait(limit)
        answers = _answers_tls(machine)
    got = "it answers TLS" if answers else ended.words
    check = f"drive.tamper.{tamper.replace('-', '_')}"
    holds = ended.start in enough and not answers
    return Shown(check, holds=holds, expected="a machine that never starts", got=got)


def _control(good: Boot, limit: float) -> Shown:
    with booted(good) as machine:
        ended = machine.wait(limit)
    holds, expected = ended.start is Start.READY, f"ready within {limit:.0f} s beside the others"
    return Shown("drive.control", holds=holds, expected=expected, got=ended.words)


def _answers_tls(machine: Machine) -> bool:
    try:
        with connected(machine.address, seconds=_PROBE_SECONDS):
            return True
    except (FetchError, VerificationError):
        return False


def _level(good: Boot, shown: tuple[Shown, ...], verdict: Verdict) -> Level:
    if good.accelerator is Accelerator.BWRAP:
        return Level.PROCESS
    if good.accelerator is Accelerator.SNP and verdict.platform == Platform.HARDWARE:
        return Level.SNP_HARDWARE
    tampers = [each for each in shown if each.check.startswith("drive.tamper.")]
    enforced = len(tampers) == len(Tamper) and all(each.holds for each in shown)
    emulated = good.accelerator is not Accelerator.SNP
    return Level.EMULATED_ENFORCED if emulated and enforced else Level.EMULATED
