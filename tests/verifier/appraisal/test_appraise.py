"""The whole appraisal in memory, on synthetic evidence under a root trusted on purpose.

One baseline is VERIFIED; every other test changes one thing and names the check that fails, and
that nothing else fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.making import (
    FLOOR,
    NOW,
    PUBLISHER,
    SNP_RULES,
    Log,
    bundle,
    changed,
    entry,
    policy,
    statement,
)
from tests.synthetic_amd import CSP_ID, synthetic_amd
from tests.verifier.tlog.signing import signer
from verifier.appraisal.appraise import (
    appraise_bundle,
    appraise_logged_release,
    appraise_report,
)
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.appraise_hosts import HOST_CHECKS
from verifier.appraisal.appraise_snp import SNP_POLICY_CHECKS
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.required import required_checks
from verifier.appraisal.snp_crl_checks import CRL_CHECKS
from verifier.appraisal.snp_id_block_checks import ID_BLOCK_CHECKS
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.amd import AMD_ROOTS
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.note import Algorithm, encode_note, parse_note
from verifier.tlog.proof import encode_tlog_proof, parse_tlog_proof

AMD = synthetic_amd()
MEASUREMENT = b"\x11" * 48
NONCE = bytes(range(32))
FIELDS: dict[str, Any] = {"report_data": report_data_of_nonce(NONCE)}
RULES: dict[str, Any] = {"report_data": "nonce"}
FLOOR_CHECKS = [
    "snp.tcb.reported_minimum",
    "snp.tcb.launch_minimum",
    "snp.tcb.committed_minimum",
]


def contents(
    *, release: Mapping[str, Any] | None = None, without: str = "", **fields: Any
) -> dict[str, bytes]:
    """What a bundle holds, by role; keyword arguments change the report."""
    raw = entry(release or statement(MEASUREMENT))
    whole = {
        "snp-report": AMD.report(**(FIELDS | fields)),
        "snp-vek": AMD.vek(),
        "release-entry": raw,
        "release-proof": Log((b"another", raw)).proof(1),
        "nonce": NONCE,
    }
    return {role: data for role, data in whole.items() if role != without}


def judge(
    held: Mapping[str, bytes] | None = None,
    rules: Mapping[str, Any] | None = None,
    **options: Any,
) -> Verdict:
    return appraise_bundle(
        options.pop("files", None) or bundle(held or contents()),
        policy=parse_policy(policy(**(RULES | dict(rules or {})))),
        roots=options.pop("roots", (AMD.root,)),
        now=options.pop("now", NOW),
        nonce=options.pop("nonce", None),
    )


def failing(verdict: Verdict) -> list[str]:
    return [finding.check for finding in verdict.findings if finding.status is Status.FAIL]


def only_failure(verdict: Verdict, check: str) -> Finding:
    assert verdict.outcome is Outcome.FAILED
    assert failing(verdict) == [check]
    return next(finding for finding in verdict.findings if finding.check == check)


def test_the_baseline_is_verified() -> None:
    verdict = judge()
    assert verdict.outcome is Outcome.VERIFIED
    assert verdict.platform == "simulated"
    passed = {f.check for f in verdict.findings if f.status is Status.PASS}
    assert passed == set(verdict.required)
    left_out = [rule for rule, value in SNP_RULES.items() if "not_checked" in str(value)]
    assert len(left_out) == 11
    skipped = {f.check for f in verdict.skipped}
    assert skipped == {
        CRL_CHECKS[-1], ID_BLOCK_CHECKS[-1], HOST_CHECKS[-1], "snp.mitigations", "snp.host_data",
        "snp.family_id", "snp.image_id", "snp.id_key", "snp.author_key", "snp.chip.enrolled",
    }  # fmt: skip


def test_no_check_is_made_twice() -> None:
    checks = [f.check for f in judge().findings if not CHECKS[f.check].informative]
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize(
    ("fields", "check", "expected", "got"),
    [
        ({"vmpl": 1}, "snp.vmpl", "0", "1"),
        ({"vmpl": 0xFFFFFFFF}, "snp.vmpl", "0", "0xffffffff"),
        ({"policy": 0xB0000}, "snp.policy.debug", "DEBUG 0", "DEBUG 1 (POLICY 0xb0000)"),
        (
            {"policy": 0x70000},
            "snp.policy.migrate",
            "MIGRATE_MA 0",
            "MIGRATE_MA 1 (POLICY 0x70000)",
        ),
        (
            {"platform_info": 0x04},
            "snp.platform_info",
            "ALIAS_CHECK_COMPLETE",
            "without ALIAS_CHECK_COMPLETE: ECC_EN",
        ),
        ({"platform_info": 0}, "snp.platform_info", "ALIAS_CHECK_COMPLETE", "none"),
        (
            {"launch_tcb": Tcb(None, 4, 0, 22, 219)},
            "snp.tcb.launch_minimum",
            "at least bl4 tee0 snp23 uc213",
            "bl4 tee0 snp22 uc219, below in snp",
        ),
        (
            {"current_firmware": Firmware(1, 55, 28), "committed_firmware": Firmware(1, 55, 28)},
            "snp.firmware.minimum",
            "at least 1.55.29",
            "1.55.28",
        ),
        ({"report_data": bytes(64)}, "snp.report_data", "", "00" * 64),
        ({"measurement": bytes(48)}, "release.measurement", MEASUREMENT.hex(), "00" * 48),
    ],
)
def test_a_report_that_says_something_else(
    fields: dict[str, Any], check: str, expected: str, got: str
) -> None:
    release = statement(
        MEASUREMENT,
        expectedEvidence=statement()["predicate"]["expectedEvidence"]
        | {"vmpls": [0, 1, 2, 3], "guestPolicy": {"debug": True, "migrateMa": True}},
    )
    verdict = judge(contents(release=release, **fields))
    failures = [name for name in failing(verdict) if name != "release.expected_evidence"]
    assert failures == [check]
    found = next(finding for finding in verdict.findings if finding.check == check)
    assert expected in found.expected
    assert got in found.got


def test_a_tcb_below_the_floor_in_one_component_that_a_higher_one_would_hide() -> None:
    low = Tcb(None, 255, 255, 22, 255)
    held = contents(tcb=low) | {"snp-vek": AMD.vek(tcb=low)}
    verdict = judge(held)
    assert failing(verdict) == FLOOR_CHECKS
    assert "below in snp" in next(
        f.got for f in verdict.findings if f.check == "snp.tcb.reported_minimum"
    )


@pytest.mark.parametrize(
    ("rules", "check"),
    [
        ({"products": ["Genoa"], "floors": {"Genoa": FLOOR}}, "snp.product.allowed"),
        ({"signing_keys": ["VLEK"], "csp_ids": ["CN=x"]}, "snp.signing_key.allowed"),
        ({"smt": "forbidden"}, "snp.policy.smt"),
        ({"host_data": ["33" * 32]}, "snp.host_data"),
        ({"chip_ids": ["33" * 64]}, "snp.chip.enrolled"),
        ({"measurement": ["33" * 48]}, "snp.measurement"),
        ({"platform": "hardware"}, "evidence.platform"),
        ({"release": {"role": "guard"}}, "release.role"),
        ({"release": {"product": "other"}}, "release.product"),
        ({"release": {"minimum_security_version": 4}}, "release.security_version"),
    ],
)
def test_a_policy_that_wants_something_else(rules: dict[str, Any], check: str) -> None:
    verdict = judge(rules=rules)
    assert verdict.outcome is Outcome.FAILED
    others = [name for name in failing(verdict) if name != check]
    # Without the product there is no floor for it either, which is said as well.
    assert others == (FLOOR_CHECKS if check == "snp.product.allowed" else [])
    assert check in failing(verdict)


def test_a_vlek_of_another_provider() -> None:
    vlek = synthetic_amd(kind=VekKind.VLEK)
    held = contents() | {"snp-report": vlek.report(**FIELDS), "snp-vek": vlek.vek()}
    rules = {"signing_keys": ["VLEK"], "csp_ids": [CSP_ID.decode()]}
    assert judge(held, rules, roots=(vlek.root,)).outcome is Outcome.VERIFIED
    other = judge(held, rules | {"csp_ids": ["CN=other.invalid"]}, roots=(vlek.root,))
    assert f"VLEK of {CSP_ID.decode()}" in only_failure(other, "snp.signing_key.allowed").got


def test_turin_is_held_to_its_fmc() -> None:
    turin = synthetic_amd(Product.TURIN)
    floor = {"fmc": 1, "bootloader": 1, "tee": 1, "snp": 4, "microcode": 81}
    promised = statement()["predicate"]["expectedEvidence"] | {"minimumTcb": {"Turin": floor}}
    release = entry(statement(MEASUREMENT, expectedEvidence=promised))
    held = contents() | {
        "snp-report": turin.report(**FIELDS),
        "snp-vek": turin.vek(),
        "release-entry": release,
        "release-proof": Log((b"another", release)).proof(1),
    }
    rules = {"products": ["Turin"], "floors": {"Turin": floor}}
    # Only the log of this release has its root, so the policy's log key is the same.
    assert judge(held, rules, roots=(turin.root,)).outcome is Outcome.VERIFIED
    higher = {"products": ["Turin"], "floors": {"Turin": floor | {"fmc": 2}}}
    verdict = judge(held, higher, roots=(turin.root,))
    assert failing(verdict) == FLOOR_CHECKS


def test_the_nonce_of_the_auditor_outranks_the_recorded_one() -> None:
    assert judge(nonce=NONCE).outcome is Outcome.VERIFIED
    found = only_failure(judge(nonce=bytes(32)), "snp.report_data")
    assert found.expected.endswith(f", for nonce {'00' * 32}")


def test_a_recorded_nonce_is_named_as_such() -> None:
    found = next(f for f in judge().findings if f.check == "snp.report_data")
    assert found.got.endswith(f"for nonce {NONCE.hex()}, as the bundle records it")


def test_without_any_nonce_it_is_not_determined() -> None:
    verdict = judge(contents(without="nonce"))
    assert verdict.outcome is Outcome.NOT_DETERMINED
    assert "snp.report_data" in [finding.check for finding in verdict.skipped]


def test_a_root_that_nobody_trusts() -> None:
    verdict = judge(roots=AMD_ROOTS)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.platform == ""
    assert "snp.vek.signature" in failing(verdict)
    skipped = [finding.check for finding in verdict.skipped]
    assert {"snp.report.signature", "evidence.platform", "release.measurement"} <= set(skipped)


@pytest.mark.parametrize(
    ("role", "check", "outcome"),
    [
        ("snp-report", "snp.report.format", Outcome.FAILED),
        ("release-entry", "log.proof.format", Outcome.FAILED),
        ("release-proof", "log.proof.format", Outcome.FAILED),
    ],
)
def test_what_the_claimant_leaves_out_is_a_failure(role: str, check: str, outcome: Outcome) -> None:
    verdict = judge(contents(without=role))
    assert verdict.outcome is outcome
    assert failing(verdict)[0] == check
    found = next(f for f in verdict.findings if f.check == check)
    assert (found.got, found.cls) == ("it is missing", FindingClass.INPUT)


def test_without_the_vendors_certificate_it_is_not_determined() -> None:
    verdict = judge(contents(without="snp-vek"))
    assert verdict.outcome is Outcome.NOT_DETERMINED
    assert verdict.exit_code == 3
    found = next(f for f in verdict.findings if f.check == "snp.vek.format")
    assert (found.status, found.cls) == (Status.ERROR, FindingClass.INFRASTRUCTURE)


def test_malformed_evidence_without_a_certificate_is_still_a_failure() -> None:
    verdict = judge(contents(without="snp-vek") | {"snp-report": b"garbage"})
    assert verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("role", "check"),
    [
        ("snp-report", "snp.report.format"),
        ("snp-vek", "snp.vek.format"),
        ("release-proof", "log.proof.format"),
        ("release-entry", "release.format"),
    ],
)
def test_garbage_is_a_failure_of_class_input(role: str, check: str) -> None:
    verdict = judge(contents() | {role: b"garbage"})
    assert verdict.outcome is Outcome.FAILED
    found = next(f for f in verdict.findings if f.check == check)
    assert (found.status, found.cls) == (Status.FAIL, FindingClass.INPUT)


def test_a_broken_bundle_leaves_every_other_check_named() -> None:
    files = bundle(contents()) | {"m/snp-report": b"other"}
    verdict = judge(files=files)
    assert failing(verdict) == ["bundle.member"]
    named = {finding.check for finding in verdict.findings}
    assert set(verdict.required) <= named


def test_an_expired_release() -> None:
    verdict = judge(contents(release=statement(MEASUREMENT, notAfter="2026-11-21T11:59:59Z")))
    assert only_failure(verdict, "release.not_after").cls is FindingClass.POLICY


def test_the_last_second_of_a_release_counts() -> None:
    verdict = judge(contents(release=statement(MEASUREMENT, notAfter="2026-11-21T12:00:00Z")))
    assert verdict.outcome is Outcome.VERIFIED


def test_an_expired_certificate() -> None:
    later = judge(now=NOW + timedelta(days=8 * 365))
    assert "snp.vek.validity" in failing(later)


PROMISED = statement()["predicate"]["expectedEvidence"]


@pytest.mark.parametrize(
    ("promise", "fields", "got"),
    [
        ({"vmpls": [1]}, {}, "VMPL 0x0"),
        ({"minimumTcb": {"Genoa": FLOOR}}, {}, "product Milan"),
        ({"minimumTcb": {"Milan": FLOOR | {"snp": 99}}}, {}, "below bl4 tee0 snp99 uc213"),
        ({}, {"policy": 0xB0000}, "DEBUG 1"),
        ({}, {"policy": 0x70000}, "MIGRATE_MA 1"),
    ],
)
def test_evidence_that_the_release_did_not_promise(
    promise: dict[str, Any], fields: dict[str, Any], got: str
) -> None:
    release = statement(MEASUREMENT, expectedEvidence=PROMISED | promise)
    verdict = judge(
        contents(release=release, **fields), {"debug": "allowed", "migrate_ma": "allowed"}
    )
    assert got in only_failure(verdict, "release.expected_evidence").got


def test_another_log() -> None:
    other = Log((b"another", entry(statement(MEASUREMENT))), seed=b"X" * 32)
    verdict = judge(contents() | {"release-proof": other.proof(1)})
    found = only_failure(verdict, "log.checkpoint.signature")
    assert found.cls is FindingClass.SECURITY


def test_a_proof_of_another_entry() -> None:
    raw = entry(statement(MEASUREMENT))
    verdict = judge(contents() | {"release-proof": Log((b"another", raw)).proof(0)})
    assert "root" in only_failure(verdict, "log.inclusion").expected


def test_an_entry_that_was_never_logged() -> None:
    stranger = entry(statement(MEASUREMENT, version="6.6.6"))
    verdict = judge(contents() | {"release-entry": stranger})
    only_failure(verdict, "log.inclusion")


# What is not asked for.


def test_a_report_alone_without_policy_is_partial() -> None:
    verdict = report_verdict(None)
    # Simulated evidence never passes where nobody said that simulated is expected.
    assert failing(verdict) == ["evidence.platform"]
    assert verdict.not_proven == SNP_POLICY_CHECKS
    assert verdict.policy_sha256 == b""


def report_verdict(rules: bytes | None, **fields: Any) -> Verdict:
    return appraise_report(
        SnpEvidence(report=AMD.report(**(FIELDS | fields)), vek=AMD.vek()),
        policy=parse_policy(rules) if rules is not None else None,
        roots=(AMD.root,),
        now=NOW,
        nonce=NONCE,
    )


def test_a_report_alone_under_a_policy_that_pins_it_is_verified() -> None:
    rules = policy(require=("evidence",), **(RULES | {"measurement": [MEASUREMENT.hex()]}))
    assert report_verdict(rules).outcome is Outcome.VERIFIED
    verdict = report_verdict(rules, measurement=bytes(48))
    assert only_failure(verdict, "snp.measurement").got == "00" * 48


def test_a_report_alone_owes_the_comparison_with_its_release() -> None:
    for measurement in ("release", [MEASUREMENT.hex()]):
        verdict = report_verdict(policy(**(RULES | {"measurement": measurement})))
        assert verdict.outcome is Outcome.PARTIAL
        assert verdict.not_proven == (
            "log.inclusion",
            "release.signature",
            "release.measurement",
            "release.expected_evidence",
        )


def test_a_report_alone_owes_the_log_that_its_policy_requires() -> None:
    rules = RULES | {"measurement": [MEASUREMENT.hex()]}
    verdict = report_verdict(policy(require=("evidence", "log"), **rules))
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == ("log.inclusion",)


def test_a_release_alone_owes_the_evidence_that_its_policy_requires() -> None:
    raw = entry(statement(MEASUREMENT))
    proof = Log((b"another", raw)).proof(1)
    verdict = appraise_logged_release(raw, proof, policy=parse_policy(policy(**RULES)), now=NOW)
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == (
        "snp.report.signature",
        "release.measurement",
        "release.expected_evidence",
    )


@pytest.mark.parametrize("field", ["measurement", "report_data"])
def test_leaving_out_code_or_freshness_is_partial(field: str) -> None:
    rules = RULES | {"measurement": [MEASUREMENT.hex()], field: {"not_checked": "on purpose"}}
    verdict = report_verdict(policy(require=("evidence",), **rules))
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == (f"snp.{field}",)


@pytest.mark.parametrize(
    ("require", "not_proven"),
    [
        (("log",), ("snp.report.signature", "release.signature")),
        (("log", "release"), ("snp.report.signature",)),
        (("evidence",), ("log.inclusion", "release.signature")),
        (("evidence", "log"), ("release.signature",)),
    ],
)
def test_what_the_bundle_holds_and_nobody_asked_for_is_not_proven(
    require: tuple[str, ...], not_proven: tuple[str, ...]
) -> None:
    verdict = judge(rules={"require": require, "measurement": [MEASUREMENT.hex()]})
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == not_proven


def test_a_logged_release_alone() -> None:
    raw = entry(statement(MEASUREMENT))
    proof = Log((b"another", raw)).proof(1)
    rules = parse_policy(policy(require=("log", "release")))
    assert appraise_logged_release(raw, proof, policy=rules, now=NOW).outcome is Outcome.VERIFIED
    other = entry(changed(statement(MEASUREMENT), "predicate/role", "guard"))
    verdict = appraise_logged_release(other, proof, policy=rules, now=NOW)
    assert failing(verdict) == ["log.inclusion", "release.role"]


def test_the_list_of_required_checks_comes_from_the_policy_alone() -> None:
    rules = parse_policy(policy(**RULES))
    everything = required_checks(rules, stages=rules.require)
    assert everything == judge().required[2:]
    assert everything == judge({"nonce": NONCE}).required[2:]
    assert PUBLISHER.key.keyid in next(
        f.got for f in judge().findings if f.check == "release.signature"
    )


def test_the_quorum_of_the_policy_counts() -> None:
    log = Log((b"another", entry(statement(MEASUREMENT))))
    witness = signer("witness.invalid/w", Algorithm.COSIGNATURE_ED25519)
    text = f"log {log.key}\nwitness w {witness.key}\nquorum w\n"
    rules = policy(log, **RULES).replace(f"log {log.key}\nquorum none\n".encode(), text.encode())
    assert text.encode() in rules

    def judged(proof: bytes) -> Verdict:
        return appraise_bundle(
            bundle(contents() | {"release-proof": proof}),
            policy=parse_policy(rules),
            roots=(AMD.root,),
            now=NOW,
            nonce=None,
        )

    found = only_failure(judged(log.proof(1)), "log.witness.quorum")
    assert found.cls is FindingClass.SECURITY
    proof = parse_tlog_proof(log.proof(1))
    note = parse_note(proof.checkpoint_raw)
    cosignature = witness.cosign(parse_checkpoint(note))
    cosigned = encode_note(note.text, (*note.signatures, cosignature))
    verdict = judged(encode_tlog_proof(replace(proof, checkpoint_raw=cosigned)))
    assert verdict.outcome is Outcome.VERIFIED
    assert next(f.got for f in verdict.findings if f.check == "log.witness.quorum") == "w"


def test_launch_inputs_that_cannot_be_read_explain_nothing() -> None:
    held = contents(measurement=bytes(48)) | {"snp-launch-inputs": b"{}"}
    verdict = judge(held)
    assert failing(verdict) == ["release.measurement"]
    (found,) = (f for f in verdict.findings if f.check == "snp.measurement.explained")
    assert (found.status, found.cls) == (Status.INFO, FindingClass.INPUT)
    assert found.expected == "launch inputs that can be searched"
    assert found.got.startswith("not searched: ")
