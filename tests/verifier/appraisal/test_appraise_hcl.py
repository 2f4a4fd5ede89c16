"""Azure's container through the whole appraisal, and from the command line into a bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.making import NOW, Log, bundle, entry, policy, statement
from tests.running import cvm_audit
from tests.synthetic_amd import synthetic_amd
from tests.synthetic_hcl import NONCE, PCRS, container, quote, sign
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.snp_hcl_checks import HCL_CHECKS
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.errors import PolicyError

AMD = synthetic_amd()
CONTAINER = container()
RULES: dict[str, Any] = {
    "report_data": "hcl",
    "measurement": ["11" * 48],
    "hcl": {"quote": "nonce", "pcrs": {"4": PCRS[4].hex()}},
}


def held(**changes: bytes | None) -> dict[str, bytes]:
    whole: dict[str, bytes | None] = {
        "snp-hcl": CONTAINER,
        "snp-vek": AMD.vek(),
        "snp-tpm-quote": quote(),
        "snp-tpm-signature": sign(quote()),
        "snp-tpm-pcrs": b"".join(PCRS),
        "nonce": NONCE,
    }
    whole |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {role: value for role, value in whole.items() if value is not None}


def judge(contents: dict[str, bytes], **rules: Any) -> Verdict:
    return appraise_bundle(
        bundle(contents),
        policy=parse_policy(policy(require=("evidence",), **(RULES | rules))),
        roots=(AMD.root,),
        now=NOW,
        nonce=None,
    )


def failures(verdict: Verdict) -> list[str]:
    return [f.check for f in verdict.findings if f.status is Status.FAIL]


def one(verdict: Verdict, check: str) -> Finding:
    return next(f for f in verdict.findings if f.check == check)


def test_a_container_with_a_fresh_quote_is_verified() -> None:
    verdict = judge(held())
    assert verdict.outcome is Outcome.VERIFIED, failures(verdict)
    assert set(HCL_CHECKS) <= set(verdict.required)
    assert one(verdict, "snp.report_data").status is Status.INFO


def test_without_a_quote_nothing_of_it_is_fresh() -> None:
    unquoted = held(snp_tpm_quote=None, snp_tpm_signature=None, snp_tpm_pcrs=None)
    rules = {"hcl": {"quote": {"not_checked": "no agent in the guest"}, "pcrs": {}}}
    verdict = judge(unquoted, **rules)
    assert (verdict.outcome, verdict.not_proven) == (Outcome.PARTIAL, ("snp.hcl.quote",))
    refused = judge(unquoted)
    assert failures(refused) == ["snp.hcl.quote"]


def test_no_nonce_is_no_judgement() -> None:
    assert judge(held(nonce=None)).outcome is Outcome.NOT_DETERMINED


@pytest.mark.parametrize(
    ("changes", "check", "cls"),
    [
        ({"snp_hcl": b"HCLA"}, "snp.hcl.format", FindingClass.INPUT),
        (
            {"snp_hcl": container(report=AMD.report(report_data=bytes(64)))},
            "snp.hcl.runtime_data",
            FindingClass.SECURITY,
        ),
        ({"nonce": bytes(32)}, "snp.hcl.quote", FindingClass.SECURITY),
        ({"snp_report": AMD.report()}, "snp.hcl.format", FindingClass.INPUT),
    ],
)
def test_a_container_that_does_not_hold(
    changes: dict[str, Any], check: str, cls: FindingClass
) -> None:
    verdict = judge(held(**changes))
    assert verdict.outcome is Outcome.FAILED
    assert check in failures(verdict)
    found = next(f for f in verdict.findings if (f.check, f.status) == (check, Status.FAIL))
    assert found.cls is cls


def test_the_report_of_the_container_beside_it_is_no_contradiction() -> None:
    assert judge(held(snp_report=CONTAINER[32:1216])).outcome is Outcome.VERIFIED


def test_a_register_with_another_value() -> None:
    verdict = judge(held(), hcl={"quote": "nonce", "pcrs": {"4": "00" * 32}})
    assert failures(verdict) == ["snp.hcl.quote"]


def test_a_bare_report_is_no_container() -> None:
    verdict = judge(held(snp_hcl=None, snp_report=AMD.report()))
    assert one(verdict, "snp.hcl.format").expected == "a member in the role snp-hcl"
    assert verdict.outcome is Outcome.FAILED


def test_a_container_that_nobody_asked_for_is_opened_and_not_trusted_for_freshness() -> None:
    unasked = {"report_data": {"not_checked": "no channel"}}
    rules = {key: value for key, value in (RULES | unasked).items() if key != "hcl"}
    verdict = appraise_bundle(
        bundle(held()),
        policy=parse_policy(policy(require=("evidence",), **rules)),
        roots=(AMD.root,),
        now=NOW,
        nonce=None,
    )
    assert verdict.outcome is Outcome.PARTIAL
    assert one(verdict, "snp.hcl.runtime_data").status is Status.PASS
    assert one(verdict, "snp.hcl.quote").status is Status.SKIP


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        ({"hcl": ...}, "policy.sev_snp.hcl"),
        ({"report_data": "nonce"}, "policy.sev_snp.hcl"),
        ({"hcl": {"quote": "nonce", "pcrs": {"24": "00" * 32}}}, "policy.sev_snp.hcl.pcrs"),
        ({"hcl": {"quote": "nonce", "pcrs": {"04": "00" * 32}}}, "policy.sev_snp.hcl.pcrs"),
        ({"hcl": {"quote": "nonce", "pcrs": {"4": "00"}}}, "policy.sev_snp.hcl.pcrs.4"),
        ({"hcl": {"quote": "maybe", "pcrs": {}}}, "policy.sev_snp.hcl.quote"),
        (
            {"hcl": {"quote": {"not_checked": "why"}, "pcrs": {"4": "00" * 32}}},
            "policy.sev_snp.hcl.pcrs",
        ),
        ({"hcl": {"quote": "nonce", "pcrs": {}, "x": 1}}, "policy.sev_snp.hcl"),
        ({"measurement": "release", "require": ("evidence", "log", "release")}, "measurement"),
    ],
)
def test_an_unusable_policy(rules: dict[str, Any], what: str) -> None:
    given = {key: value for key, value in (RULES | rules).items() if value is not ...}
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy(**({"require": ("evidence",)} | given)))
    assert what in caught.value.what


def write(folder: Path, **files: bytes) -> dict[str, Path]:
    paths = {name: folder / name for name in files}
    for name, content in files.items():
        paths[name].write_bytes(content)
    return paths


def test_genuine_azure_evidence_is_captured_and_judged(vectors: Path, tmp_path: Path) -> None:
    for name in ("azure-evidence-v0.json", "azure-evidence-v2.json", "azure-evidence-genoa.json"):
        evidence = vectors / "snp" / "reports" / name
        alone = cvm_audit("evidence", "verify", "--azure", evidence, "--offline")
        assert alone.code == 4, alone.out
        assert "pass  snp.hcl.runtime_data" in alone.out
        assert "skip  snp.hcl.quote" in alone.out
        folder = tmp_path / name
        ran = cvm_audit("evidence", "capture", "--azure", evidence, "-o", folder)
        assert ran.code == 0, ran.err
        assert (folder / "evidence" / "hcl.bin").is_file()
        assert not (folder / "evidence" / "report.bin").exists()


def test_the_parts_of_a_container_are_captured(tmp_path: Path) -> None:
    paths = write(
        tmp_path, hcl=container(), quote=quote(), signature=sign(quote()), pcrs=b"".join(PCRS)
    )
    parts = (
        "--hcl", paths["hcl"], "--tpm-quote", paths["quote"],
        "--tpm-signature", paths["signature"], "--tpm-pcrs", paths["pcrs"],
    )  # fmt: skip
    ran = cvm_audit("evidence", "capture", *parts, "-o", tmp_path / "bundle")
    assert (ran.code, ran.err) == (0, f"{tmp_path / 'bundle'}: 4 members\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of --report, --hcl and --azure names the evidence"),
        (("--report", "hcl", "--hcl", "hcl"), "one of --report, --hcl and --azure"),
        (("--tpm-pcrs", "hcl"), "--tpm-pcrs belongs to a container: --hcl"),
        (("--azure", "hcl", "--hcl", "hcl"), "--azure names a document that holds all"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    paths = write(tmp_path, hcl=container())
    named = [str(paths.get(option, option)) for option in options]
    ran = cvm_audit("evidence", "capture", *named, "-o", tmp_path / "bundle")
    assert ran.code == 2
    assert message in ran.err


def test_a_container_in_a_bundle_under_a_policy_without_evidence_is_not_proven() -> None:
    raw = entry(statement())
    log = Log((raw,))
    contents = {"snp-hcl": CONTAINER, "release-entry": raw, "release-proof": log.proof(0)}
    verdict = appraise_bundle(
        bundle(contents),
        policy=parse_policy(policy(log, require=("log", "release"))),
        roots=(),
        now=NOW,
        nonce=None,
    )
    assert (verdict.outcome, verdict.not_proven) == (Outcome.PARTIAL, ("snp.report.signature",))


def test_a_container_alone_is_named_as_what_was_judged(tmp_path: Path) -> None:
    paths = write(tmp_path, hcl=CONTAINER, vek=AMD.vek())
    ran = cvm_audit(
        "evidence", "verify", "--hcl", paths["hcl"], "--vek", paths["vek"], "--at",
        "2026-11-21T12:00:00Z", "--json",
    )  # fmt: skip
    digest = hashlib.sha256(CONTAINER).hexdigest()
    assert json.loads(ran.out)["target"] == {"kind": "snp-hcl", "sha256": digest}
