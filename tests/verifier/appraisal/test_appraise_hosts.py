from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.making import NOW, Log, bundle, entry, policy, publisher, statement
from tests.synthetic_amd import CSP_ID, SyntheticAmd, synthetic_amd
from tests.verifier.release.stating import stated
from verifier.appraisal.appraise import appraise_bundle, appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.appraise_hosts import HOST_CHECKS
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.errors import PolicyError
from verifier.evidence.vek_certificate import VekKind
from verifier.release.subject import host_digest
from verifier.roots.amd import AMD_ROOTS

AMD = synthetic_amd()
OPERATOR = publisher("fixtures.invalid/operator", b"O" * 32)
STRANGER = publisher("fixtures.invalid/stranger", b"S" * 32)
MEASUREMENT = b"\x11" * 48
HERE = host_digest(product="Milan", hw_id=AMD.hw_id)
ELSEWHERE = host_digest(product="Milan", hw_id=b"\x77" * 64)


def enrolled(digest: bytes = HERE, **predicate: Any) -> dict[str, Any]:
    whole = {
        "operator": "fixtures.invalid/cloud",
        "hosts": [{"name": "rack-1/1", "product": "Milan"}],
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2027-11-21T00:00:00Z",
    }
    return stated("host-identity", {"rack-1/1": digest}, whole | predicate)


def rules(log: Log) -> bytes:
    text = policy(log, hosts="enrolled", report_data=["22" * 64])
    return text + (
        b'[hosts]\noperator = "fixtures.invalid/cloud"\n'
        b'publishers = ["' + str(OPERATOR.key.vkey).encode() + b'"]\npublisher_threshold = 1\n'
    )


def judge(
    identity: bytes | None = None, *, amd: SyntheticAmd = AMD, without: str = "", **changes: Any
) -> Verdict:
    raw = entry(statement(MEASUREMENT))
    host = entry(enrolled(), by=OPERATOR) if identity is None else identity
    log = Log((raw, host))
    held = {
        "snp-report": amd.report(),
        "snp-vek": amd.vek(),
        "release-entry": raw,
        "release-proof": log.proof(0),
        "host-identity-entry": host,
        "host-identity-proof": changes.pop("proof", None) or log.proof(1),
    }
    text = changes.pop("rules", None) or rules(log)
    return appraise_bundle(
        bundle({role: data for role, data in held.items() if role != without}),
        policy=parse_policy(text),
        roots=changes.pop("roots", (amd.root,)),
        now=changes.pop("now", NOW),
        nonce=None,
    )


def only_failure(verdict: Verdict, check: str) -> Finding:
    failures = [f for f in verdict.findings if f.status is Status.FAIL]
    assert verdict.outcome is Outcome.FAILED
    assert [f.check for f in failures] == [check]
    return failures[0]


def test_an_enrolled_host() -> None:
    verdict = judge()
    assert verdict.outcome is Outcome.VERIFIED
    assert set(HOST_CHECKS) <= set(verdict.required)
    found = next(f for f in verdict.findings if f.check == "host.enrolled")
    assert found.got == f"{HERE.hex()} (rack-1/1)"
    sources = {f.source for f in verdict.findings if f.check == "log.inclusion"}
    assert sources == {"release-proof", "host-identity-proof"}


def test_a_genuine_machine_that_nobody_enrolled() -> None:
    found = only_failure(judge(entry(enrolled(ELSEWHERE), by=OPERATOR)), "host.enrolled")
    assert found.got == HERE.hex()
    assert found.cls is FindingClass.SECURITY


def test_a_vlek_names_no_machine() -> None:
    vlek = synthetic_amd(kind=VekKind.VLEK)
    log = Log((entry(statement(MEASUREMENT)), entry(enrolled(), by=OPERATOR)))
    text = rules(log).replace(b'["VCEK"]', b'["VLEK"]')
    text = text.replace(b"csp_ids = []", b'csp_ids = ["' + CSP_ID + b'"]')
    found = only_failure(judge(amd=vlek, rules=text), "host.enrolled")
    assert found.got == "a VLEK, which names no chip"


@pytest.mark.parametrize("role", ["host-identity-entry", "host-identity-proof"])
def test_what_is_left_out_is_a_failure(role: str) -> None:
    verdict = judge(without=role)
    found = only_failure(verdict, "host.format")
    assert found.expected == f"a member in the role {role}"
    assert set(HOST_CHECKS[1:]) <= {f.check for f in verdict.skipped}


def test_an_entry_that_is_no_host_identity() -> None:
    found = only_failure(judge(entry(statement(MEASUREMENT), by=OPERATOR)), "host.format")
    assert (found.cls, found.expected) == (FindingClass.INPUT, "urn:cvm-audit:host-identity:v1")


def test_an_entry_that_a_stranger_signed() -> None:
    found = only_failure(judge(entry(enrolled(), by=STRANGER)), "host.signature")
    assert found.cls is FindingClass.SECURITY


@pytest.mark.parametrize(
    ("predicate", "now", "got"),
    [
        ({}, NOW - timedelta(days=1), "at 2026-11-20T12:00:00Z"),
        ({"notAfter": "2026-11-21T11:59:59Z"}, NOW, "at 2026-11-21T12:00:00Z"),
        ({"operator": "fixtures.invalid/other"}, NOW, "operator fixtures.invalid/other"),
    ],
)
def test_an_identity_of_another_time_or_operator(
    predicate: dict[str, Any], now: Any, got: str
) -> None:
    verdict = judge(entry(enrolled(**predicate), by=OPERATOR), now=now)
    assert got in only_failure(verdict, "host.validity").got


@pytest.mark.parametrize("edge", ["notBefore", "notAfter"])
def test_the_first_and_the_last_moment_of_an_identity_are_its_own(edge: str) -> None:
    at_its_edge: dict[str, Any] = {edge: "2026-11-21T12:00:00Z"}
    raw = entry(enrolled(**at_its_edge), by=OPERATOR)
    assert judge(raw, now=NOW).outcome is Outcome.VERIFIED


def test_an_entry_that_is_not_in_the_log() -> None:
    log = Log((entry(statement(MEASUREMENT)), entry(enrolled(), by=OPERATOR)))
    found = only_failure(judge(proof=log.proof(0)), "log.inclusion")
    assert found.source == "host-identity-proof"


def test_a_report_alone_leaves_the_host_unproven() -> None:
    verdict = appraise_report(
        SnpEvidence(report=AMD.report(), vek=AMD.vek()),
        policy=parse_policy(rules(Log(()))),
        roots=(AMD.root,),
        now=NOW,
        nonce=None,
    )
    assert verdict.outcome is Outcome.PARTIAL
    assert "host.enrolled" in verdict.not_proven


def test_evidence_that_is_not_authentic_names_no_host() -> None:
    verdict = judge(roots=AMD_ROOTS)
    assert verdict.outcome is Outcome.FAILED
    found = next(f for f in verdict.findings if f.check == "host.enrolled")
    assert found.status is Status.SKIP


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (policy(hosts="enrolled"), "policy.hosts"),
        (policy(hosts="anybody"), "policy.sev_snp.hosts"),
        (
            policy(hosts="enrolled", require=("evidence",), measurement=["11" * 48]),
            "policy.sev_snp.hosts",
        ),
        (rules(Log(())).replace(b"_threshold = 1\n", b"_threshold = 2\n"), "publisher_threshold"),
        (rules(Log(())) + b"more = 1\n", "policy.hosts"),
        (rules(Log(())).replace(b'"enrolled"', b'{ not_checked = "none" }'), "policy"),
    ],
)
def test_an_unusable_policy(text: bytes, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert what in caught.value.what
