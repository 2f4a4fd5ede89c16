"""A drive and the verdict on its evidence make one verdict, and every way to lose it is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.making import NOW, Log, entry, policy
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.drive.appraise_drive import (
    DriveAppraisal,
    appraise_drive,
    left_out,
    required_of_drive,
)
from verifier.appraisal.drive.driven import (
    Booted,
    Compared,
    Done,
    Driven,
    Scope,
    Seen,
    Start,
    Way,
    stopped,
)
from verifier.appraisal.drive.probes import PROBES, Need
from verifier.appraisal.drive.recorded import recorded_drive
from verifier.appraisal.findings import Finding, FindingClass, Status, finding
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.required import required_of_bundle
from verifier.appraisal.verdict import Outcome, Target, Verdict
from verifier.errors import (
    AuditError,
    FetchError,
    ParseError,
    UnsupportedError,
    VerificationError,
)
from verifier.evidence.drive_record import Accelerator, Level, parse_drive_record

POLICY = parse_policy(policy(Log((entry(),)), report_data="session"))
ENTRY, REPORT = b"the entry", b"the report"
WHOLE = Scope(machine=True, boots=True, way=Way.DIRECT)
PROCESS = Scope(machine=False, boots=True, way=Way.DIRECT)
UNTAMPERED = Scope(machine=True, boots=False, way=Way.DIRECT)
TAMPERS = tuple(f"drive.tamper.{what}" for what in ("kernel", "initrd", "command_line", "no_table"))
ASKED = ("drive.release", "drive.measurement", "drive.answer")


def evidence(
    *found: Finding, not_proven: tuple[str, ...] = (), platform: str = "simulated"
) -> Verdict:
    """A verdict on evidence that needs one check, which passes unless something else is found."""
    passed = finding("snp.vmpl", Status.PASS, expected="0", got="0", source="snp-report")
    return Verdict(
        target=Target("bundle", bytes(32)),
        policy_name="test",
        policy_sha256=bytes(32),
        stages=("evidence",),
        instant=NOW,
        platform=platform,
        required=("snp.vmpl",),
        findings=found or (passed,),
        not_proven=not_proven,
    )


VERIFIED = evidence()
FAILED = evidence(finding("snp.vmpl", Status.FAIL, expected="0", got="1", source="snp-report"))
OPEN = evidence(finding("snp.vmpl", Status.ERROR, expected="0", got="none", source="snp-report"))
PARTIAL = evidence(not_proven=("snp.report_data",))


def booted(start: Start, words: str = "words", *, answers: bool = False) -> Booted:
    return Booted(start=start, words=words, answers=answers)


READY, SILENT = booted(Start.READY, "READY"), booted(Start.SILENT, "no sign of life")
DECLINED, ENDED = booted(Start.DECLINED, "REFUSED"), booted(Start.ENDED, "the machine ended")
SERVING = booted(Start.SILENT, "no sign of life", answers=True)
GOOD: Mapping[str, Seen] = {
    "drive.artifacts": Done("all 4"),
    "drive.boot": READY,
    "drive.session": Done("evidence"),
    "drive.release": Compared(expected="aa", got="aa", source="release-entry"),
    "drive.measurement": Compared(expected="bb", got="bb", source="snp-report"),
    "drive.answer": Done("5 of 5"),
    **dict.fromkeys(TAMPERS, SILENT),
    "drive.refuses_unproven": DECLINED,
    "drive.control": READY,
}


def seen_in(scope: Scope, **changes: Seen | None) -> dict[str, Seen]:
    """What a good drive of ``scope`` sees, with changes by check (``__`` for a dot)."""
    whole = dict(GOOD) | {
        f"drive.{name.replace('__', '.')}": seen for name, seen in changes.items()
    }
    wanted = required_of_drive(scope)
    return {check: seen for check, seen in whole.items() if seen is not None and check in wanted}


def appraised(
    scope: Scope = WHOLE,
    given: Verdict | None = VERIFIED,
    accelerator: Accelerator | None = Accelerator.TCG,
    **changes: Seen | None,
) -> DriveAppraisal:
    driven = Driven(
        release=hashlib.sha256(ENTRY).digest(),
        report=None if given is None else hashlib.sha256(REPORT).digest(),
        accelerator=accelerator,
        qemu="7.2" if accelerator not in (None, Accelerator.BWRAP) else "",
        seen=seen_in(scope, **changes),
    )
    return appraise_drive(driven, evidence=given, policy=POLICY, scope=scope, now=NOW)


def judged(*arguments: Any, **changes: Any) -> Verdict:
    return appraised(*arguments, **changes).verdict


def of(verdict: Verdict, check: str) -> Finding:
    (found,) = [each for each in verdict.findings if each.check == check]
    return found


def with_status(verdict: Verdict, status: Status) -> list[str]:
    return [each.check for each in verdict.findings if each.status is status]


def test_every_probe_is_a_registered_check_and_the_other_way_round() -> None:
    registered = [each.id for each in CHECKS.values() if each.id.startswith("drive.")]
    registered.remove("drive.record")
    assert [probe.check for probe in PROBES] == registered
    assert list(GOOD) == [probe.check for probe in PROBES if Need.PATH not in probe.needs]


def test_a_whole_drive_is_verified_at_its_level() -> None:
    verdict = judged()
    assert (verdict.outcome, verdict.level) == (Outcome.VERIFIED, "emulated-enforced")
    assert verdict.required == ("snp.vmpl", *GOOD)
    assert verdict.not_proven == ()
    assert verdict.stages == (*POLICY.require, "drive")
    assert with_status(verdict, Status.PASS) == ["snp.vmpl", *GOOD]
    assert (verdict.platform, verdict.policy_sha256) == ("simulated", POLICY.sha256)


def test_without_a_measured_boot_nothing_is_verified() -> None:
    verdict = judged(PROCESS, accelerator=Accelerator.BWRAP)
    assert (verdict.outcome, verdict.exit_code, verdict.level) == (Outcome.PARTIAL, 4, "process")
    missing = ("drive.measurement", *TAMPERS, "drive.control")
    assert verdict.not_proven == ("release.measurement", *missing)
    assert tuple(with_status(verdict, Status.SKIP)) == missing
    assert not set(verdict.required) & set(missing)
    assert of(verdict, "drive.measurement").got == (
        "not checked: --process: no firmware measures what is run"
    )
    assert of(verdict, "drive.refuses_unproven").status is Status.PASS


def test_without_boots_that_must_be_refused_nothing_is_verified() -> None:
    verdict = judged(UNTAMPERED)
    assert (verdict.outcome, verdict.level) == (Outcome.PARTIAL, "emulated")
    assert verdict.not_proven == (*TAMPERS, "drive.refuses_unproven", "drive.control")
    assert of(verdict, TAMPERS[0]).got == (
        "not checked: --no-tamper: nothing was booted that must be refused"
    )


def test_the_weakest_drive_names_everything_that_it_leaves_out() -> None:
    scope = Scope(machine=False, boots=False, way=Way.DIRECT)
    verdict = judged(scope, accelerator=Accelerator.BWRAP)
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == left_out(scope)
    assert set(required_of_drive(scope)) | set(left_out(scope)) == {"release.measurement", *GOOD}


@pytest.mark.parametrize("given", [FAILED, OPEN])
def test_nothing_that_was_asked_counts_without_verified_evidence(given: Verdict) -> None:
    # Also where something was seen all the same: nobody may have asked.
    verdict = judged(given=given)
    assert verdict.outcome is given.outcome
    assert [check for check in ASKED if of(verdict, check).status is not Status.SKIP] == []
    assert of(verdict, "drive.answer").got == (
        f"not checked: the evidence is {given.outcome}, so that nothing was asked"
    )
    assert set(ASKED) <= set(verdict.required)


def test_partial_evidence_makes_a_partial_drive() -> None:
    verdict = judged(given=PARTIAL, release=None, measurement=None, answer=None)
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == ("snp.report_data", *ASKED)
    assert not set(verdict.required) & set(ASKED)


def test_what_is_not_proven_twice_is_named_once() -> None:
    given = evidence(not_proven=("release.measurement",))
    verdict = judged(PROCESS, given, Accelerator.BWRAP)
    assert verdict.not_proven.count("release.measurement") == 1


def test_a_drive_without_evidence_requires_what_the_policy_does() -> None:
    silent = stopped(FetchError("connection", expected="an answer", got="nothing within 60 s"))
    verdict = judged(given=None, session=silent)
    assert verdict.outcome is Outcome.NOT_DETERMINED
    assert verdict.required == (*required_of_bundle(POLICY), *GOOD)
    assert of(verdict, "log.inclusion").got == "not checked: no evidence came"
    assert of(verdict, "drive.answer").got == "not checked: no evidence came"
    assert verdict.platform == ""


def test_what_was_not_seen_is_never_a_pass() -> None:
    for check in GOOD:
        verdict = judged(**{check.removeprefix("drive.").replace(".", "__"): None})
        assert verdict.outcome is Outcome.NOT_DETERMINED, check
        assert of(verdict, check).got == "not checked: the drive ended before"


@pytest.mark.parametrize(
    ("error", "status", "cls", "outcome"),
    [
        (ParseError, Status.FAIL, FindingClass.INPUT, Outcome.FAILED),
        (UnsupportedError, Status.FAIL, FindingClass.INPUT, Outcome.FAILED),
        (VerificationError, Status.FAIL, FindingClass.SECURITY, Outcome.FAILED),
        (FetchError, Status.ERROR, FindingClass.INFRASTRUCTURE, Outcome.NOT_DETERMINED),
    ],
)
@pytest.mark.parametrize("check", list(GOOD))
def test_only_silence_leaves_a_step_open(
    check: str, error: type[AuditError], status: Status, cls: FindingClass, outcome: Outcome
) -> None:
    seen = stopped(error("the thing", expected="this", got="that", hint="do so"))
    verdict = judged(**{check.removeprefix("drive.").replace(".", "__"): seen})
    found = of(verdict, check)
    assert (found.status, found.cls, verdict.outcome) == (status, cls, outcome)
    assert (found.expected, found.got, found.hint) == ("this", "the thing: that", "do so")


PASS, FAIL, ERROR = Status.PASS, Status.FAIL, Status.ERROR


@pytest.mark.parametrize(
    ("check", "seen", "status"),
    [
        ("release", Compared(expected="aa", got="ab", source="release-entry"), FAIL),
        ("measurement", Compared(expected="bb", got="bc", source="snp-report"), FAIL),
        ("boot", DECLINED, FAIL),
        ("boot", SILENT, ERROR),
        ("boot", ENDED, ERROR),
        ("control", DECLINED, FAIL),
        ("control", SILENT, ERROR),
        ("refuses_unproven", READY, FAIL),
        ("refuses_unproven", SERVING, FAIL),
        ("refuses_unproven", replace(DECLINED, answers=True), FAIL),
        ("refuses_unproven", SILENT, ERROR),
        ("refuses_unproven", ENDED, ERROR),
        *((f"tamper__{name}", seen, FAIL)
          for name in ("kernel", "initrd", "command_line", "no_table")
          for seen in (READY, SERVING, DECLINED, ENDED)),
    ],
)  # fmt: skip
def test_what_must_not_be_seen(check: str, seen: Seen, status: Status) -> None:
    verdict = judged(**{check: seen})
    found = of(verdict, f"drive.{check.replace('__', '.')}")
    assert found.status is status
    if isinstance(seen, Booted):
        assert found.got == seen.words + (", and it answers TLS" if seen.answers else "")
    assert found.expected
    assert found.expected != found.got
    assert verdict.outcome is (Outcome.FAILED if status is FAIL else Outcome.NOT_DETERMINED)
    assert found.cls is (FindingClass.SECURITY if status is FAIL else FindingClass.INFRASTRUCTURE)


@pytest.mark.parametrize("control", [SILENT, ENDED, DECLINED, None])
def test_silence_beside_a_slow_machine_is_no_refusal(control: Seen | None) -> None:
    verdict = judged(control=control)
    assert [of(verdict, check).status for check in TAMPERS] == [Status.ERROR] * 4
    assert verdict.level == "emulated"
    assert verdict.outcome is not Outcome.VERIFIED


@pytest.mark.parametrize("seen", [ENDED, DECLINED, SILENT])
def test_hardware_finds_a_change_out_late(seen: Booted) -> None:
    verdict = judged(
        given=evidence(platform="hardware"), accelerator=Accelerator.SNP, tamper__initrd=seen
    )
    assert of(verdict, "drive.tamper.initrd").status is Status.PASS
    for served in (READY, replace(seen, answers=True)):
        verdict = judged(accelerator=Accelerator.SNP, tamper__initrd=served)
        assert of(verdict, "drive.tamper.initrd").status is Status.FAIL


HARDWARE = evidence(platform="hardware")
OTHER = Compared(expected="bb", got="bc", source="snp-report")


@pytest.mark.parametrize(
    ("accelerator", "given", "scope", "changes", "level"),
    [
        (Accelerator.TCG, VERIFIED, WHOLE, {}, Level.EMULATED_ENFORCED),
        (Accelerator.KVM, VERIFIED, WHOLE, {}, Level.EMULATED_ENFORCED),
        (Accelerator.TCG, HARDWARE, WHOLE, {}, Level.EMULATED_ENFORCED),
        (Accelerator.TCG, VERIFIED, UNTAMPERED, {}, Level.EMULATED),
        *((Accelerator.TCG, VERIFIED, WHOLE, {f"tamper__{name}": seen}, Level.EMULATED)
          for name in ("kernel", "initrd", "command_line", "no_table")
          for seen in (READY, SERVING, ENDED, None)),
        (Accelerator.TCG, VERIFIED, WHOLE, {"control": SILENT}, Level.EMULATED),
        (Accelerator.TCG, FAILED, WHOLE, {}, Level.EMULATED_ENFORCED),
        (Accelerator.TCG, VERIFIED, WHOLE, {"boot": DECLINED}, None),
        (Accelerator.TCG, VERIFIED, WHOLE, {"boot": SILENT}, None),
        (None, None, WHOLE, {}, None),
        (Accelerator.SNP, HARDWARE, WHOLE, {}, Level.SNP_HARDWARE),
        (Accelerator.SNP, HARDWARE, UNTAMPERED, {}, Level.SNP_HARDWARE),
        (Accelerator.SNP, HARDWARE, WHOLE, {"measurement": OTHER}, Level.EMULATED),
        (Accelerator.SNP, VERIFIED, WHOLE, {}, Level.EMULATED),
        (Accelerator.SNP, None, WHOLE, {}, Level.EMULATED),
        (Accelerator.BWRAP, HARDWARE, PROCESS, {}, Level.PROCESS),
    ],
)  # fmt: skip
def test_a_level_is_never_rounded_up(
    accelerator: Accelerator | None,
    given: Verdict | None,
    scope: Scope,
    changes: Mapping[str, Seen | None],
    level: Level | None,
) -> None:
    appraisal = appraised(scope, given, accelerator, **changes)
    assert appraisal.verdict.level == (level or "")
    assert parse_drive_record(appraisal.record).level is level


def test_what_lies_outside_of_the_drive_is_our_bug() -> None:
    driven = Driven(release=bytes(32), report=None, accelerator=None, qemu="", seen=GOOD)
    with pytest.raises(ValueError, match=r"outside of the drive: drive\.control, drive\.measure"):
        appraise_drive(driven, evidence=None, policy=POLICY, scope=PROCESS, now=NOW)
    with pytest.raises(TypeError, match=r"drive\.boot is not judged by Done"):
        judged(boot=Done("all is well"))
    with pytest.raises(TypeError, match=r"drive\.answer is not judged by Booted"):
        judged(answer=READY)


def test_every_need_is_one_of_the_scope_or_the_evidence() -> None:
    assert {need for probe in PROBES for need in probe.needs} == set(Need)


# The record.


def test_the_record_names_the_drive_and_is_the_target() -> None:
    appraisal = appraised(tamper__kernel=READY)
    assert appraisal.verdict.target == Target("drive", hashlib.sha256(appraisal.record).digest())
    record = parse_drive_record(appraisal.record)
    assert record.release == hashlib.sha256(ENTRY).digest()
    assert record.report == hashlib.sha256(REPORT).digest()
    assert (record.accelerator, record.qemu) == (Accelerator.TCG, "7.2")
    assert [each.check for each in record.checks] == list(GOOD)
    assert [each.check for each in record.checks if each.status != "pass"] == [
        "drive.tamper.kernel"
    ]


def test_foreign_text_is_recorded_whole_or_cut() -> None:
    for foreign, kept in (("half \ud800", "half \\ud800"), ("x" * 5000, f"{'x' * 1021}...")):
        record = parse_drive_record(appraised(boot=booted(Start.DECLINED, foreign)).record)
        (found,) = [each.got for each in record.checks if each.check == "drive.boot"]
        assert found == kept


def test_a_recorded_drive_is_shown_and_never_passed() -> None:
    raw = appraised(tamper__kernel=READY).record
    found, unproven = recorded_drive(raw, entry=ENTRY, report=REPORT)
    assert unproven == ("drive.tamper.kernel",)
    assert (found.check, found.status) == ("drive.record", Status.INFO)
    assert found.got.startswith(
        "recorded by whoever drove, not checked again: level emulated, tcg, QEMU 7.2; pass: drive."
    )
    assert "fail: drive.tamper.kernel" in found.got


@pytest.mark.parametrize(("entry", "report"), [(b"x", REPORT), (None, REPORT), (ENTRY, b"x")])
def test_a_record_of_another_session_is_said_to_be_one(entry: bytes | None, report: bytes) -> None:
    found, unproven = recorded_drive(appraised().record, entry=entry, report=report)
    assert unproven == ("drive.record",)
    assert (found.status, found.cls) == (Status.INFO, FindingClass.INPUT)
    assert "another release or another report than those of this bundle" in found.got
    assert "level" not in found.got


def test_a_record_that_cannot_be_read_is_said_to_be_so() -> None:
    found, unproven = recorded_drive(b"{}", entry=ENTRY, report=REPORT)
    assert unproven == ("drive.record",)
    assert (found.status, found.cls) == (Status.INFO, FindingClass.INPUT)
    assert (
        found.got == "it cannot be read: drive record.schema: it is missing (expected the member)"
    )


def test_a_record_leaves_unproven_what_was_not_shown_and_nothing_else() -> None:
    for made, unproven in (
        (appraised(), ()),
        (appraised(UNTAMPERED), ()),
        (appraised(PROCESS, accelerator=Accelerator.BWRAP), ("release.measurement",)),
        (appraised(drive__answer=None), ()),
        (appraised(tamper__initrd=SERVING), ("drive.tamper.initrd",)),
        (appraised(control=SILENT), (*TAMPERS, "drive.control")),
    ):
        assert recorded_drive(made.record, entry=ENTRY, report=REPORT)[1] == unproven
