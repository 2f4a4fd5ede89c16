from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.key_documents import (
    OHTTP,
    OPERATOR,
    STRANGER,
    TOKEN,
    configuration,
    key_document,
    key_entries,
    keys_section,
)
from tests.making import NOW, Log, bundle, entry, policy, statement
from tests.synthetic_amd import synthetic_amd
from verifier.appraisal.appraise import appraise_bundle, appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.appraise_keys import AppraisedKeys, appraise_key_document
from verifier.appraisal.appraise_log import LOG_CHECKS
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import KeysPolicy, Policy, parse_policy
from verifier.appraisal.policy_lint import lint_policy
from verifier.appraisal.required import KEY_CHECKS
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.errors import PolicyError
from verifier.report.policy_words import render_policy
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document
from verifier.wire.ohttp import gateway_key
from verifier.wire.ohttp_keys import Suite

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "policy.v1.schema.json").read_text("utf-8")
)
AMD = synthetic_amd()
MEASUREMENT = b"\x11" * 48
RELEASE = entry(statement(MEASUREMENT))
GATEWAY, ISSUER = key_entries()
LOG = Log((RELEASE, GATEWAY, ISSUER))
DOCUMENT = key_document(LOG, 1, 2)
ALL = ("evidence", "keys", "log", "release")


def rules(log: Log = LOG, require: tuple[str, ...] = ALL, **changes: Any) -> Policy:
    text = policy(log, require=require, **({"report_data": ["22" * 64]} | changes))
    return parse_policy(text + (keys_section() if "keys" in require else b""))


def judge(document: bytes = DOCUMENT, log: Log = LOG, now: Any = NOW) -> AppraisedKeys:
    return appraise_key_document(document, policy=rules(log), now=now)


def judged(*entries: bytes, now: Any = NOW) -> AppraisedKeys:
    """A document of ``entries``, all of them in the log."""
    log = Log((b"another", *entries))
    return judge(key_document(log, *range(1, len(entries) + 1)), log, now)


def only_failure(appraised: AppraisedKeys, check: str) -> Finding:
    failures = [f for f in appraised.verdict.findings if f.status is Status.FAIL]
    assert appraised.keys is None
    assert appraised.verdict.outcome is Outcome.FAILED
    assert [f.check for f in failures] == [check]
    assert failures[0].source == "key-document"
    return failures[0]


def test_logged_keys_of_the_publisher() -> None:
    appraised = judge()
    assert appraised.keys is not None
    assert (appraised.keys.ohttp.raw, appraised.keys.token.raw) == (OHTTP, TOKEN)
    assert f"{appraised.keys.not_after:%Y-%m-%d}" == "2026-12-21"
    verdict = appraised.verdict
    assert (verdict.stages, verdict.target.kind) == (("keys", "log"), "key-document")
    assert verdict.required == (*LOG_CHECKS, *KEY_CHECKS)
    inclusions = [f for f in verdict.findings if f.check == "log.inclusion"]
    assert [f.status for f in inclusions] == [Status.PASS, Status.PASS]
    assert verdict.outcome is Outcome.PARTIAL  # the rest of the policy was not judged
    assert set(verdict.not_proven) >= {"snp.report.signature", "release.signature"}


def test_the_first_key_of_each_role_is_used() -> None:
    later = gateway_key(key_id=9, secret=b"\x09" * 32, suites=(Suite(1, 1),)).public.raw
    second = entry(configuration(encoded=later, notAfter="2026-12-01T00:00:00Z"), by=OPERATOR)
    appraised = judged(GATEWAY, second, ISSUER)
    assert appraised.keys is not None
    assert appraised.keys.ohttp.raw == OHTTP
    assert f"{appraised.keys.not_after:%Y-%m-%d}" == "2026-12-01"
    swapped = judged(second, ISSUER, GATEWAY)
    assert swapped.keys is not None
    assert swapped.keys.ohttp.raw == later


def test_a_configuration_of_unknown_algorithms_is_passed_over() -> None:
    unknown = OHTTP[:1] + b"\x00\x10" + b"\x04" * 65 + b"\x00\x04\x00\x01\x00\x01"
    appraised = judged(entry(configuration(encoded=unknown), by=OPERATOR), GATEWAY, ISSUER)
    assert appraised.keys is not None
    assert appraised.keys.ohttp.raw == OHTTP


@pytest.mark.parametrize("document", [b"", b"CVMKEYS1", DOCUMENT[:-1], DOCUMENT + b"\0"])
def test_a_document_that_is_none(document: bytes) -> None:
    appraised = judge(document)
    found = only_failure(appraised, "keys.format")
    assert found.cls is FindingClass.INPUT
    skipped = {f.check for f in appraised.verdict.skipped}
    assert skipped == {*KEY_CHECKS[1:], *LOG_CHECKS}


def test_a_document_of_another_version() -> None:
    found = only_failure(judge(DOCUMENT.replace(b"CVMKEYS1", b"CVMKEYS2")), "keys.format")
    assert (found.expected, "CVMKEYS2" in found.got) == ("b'CVMKEYS1'", True)


def test_an_entry_that_is_no_key_configuration() -> None:
    found = only_failure(judged(GATEWAY, ISSUER, RELEASE), "keys.format")
    assert found.expected == "urn:cvm-audit:key-configuration:v1"
    assert found.got == "predicate type: urn:cvm-audit:cvm-release:v1"


def test_keys_that_a_stranger_signed() -> None:
    appraised = judged(entry(configuration(), by=STRANGER), ISSUER)
    found = only_failure(appraised, "keys.signature")
    assert found.cls is FindingClass.SECURITY
    assert OPERATOR.key.keyid in found.expected
    skipped = [f.check for f in appraised.verdict.skipped]
    assert skipped == ["keys.validity", "keys.complete"]


@pytest.mark.parametrize(
    ("period", "now", "got"),
    [
        ({}, NOW - timedelta(days=1), "the key of a gateway, at 2026-11-20T12:00:00Z"),
        (
            {"notAfter": "2026-11-21T12:00:00Z"},
            NOW,
            "the key of a gateway, at 2026-11-21T12:00:00Z",
        ),
    ],
)
def test_keys_of_another_time(period: dict[str, Any], now: Any, got: str) -> None:
    always = configuration("issuer", "token", TOKEN, notBefore="2026-01-01T00:00:00Z")
    entries = entry(configuration(**period), by=OPERATOR), entry(always, by=OPERATOR)
    found = only_failure(judged(*entries, now=now), "keys.validity")
    assert (found.cls, found.got) == (FindingClass.POLICY, got)


@pytest.mark.parametrize(
    ("others", "got"),
    [
        ((), "keys: 1 of a gateway, 0 of an issuer"),
        # The gateway may not give out keys of the issuer: it would know its tokens by them.
        ((configuration("gateway", "token", TOKEN),), "keys: 1 of a gateway, 0 of an issuer"),
        ((configuration("node", "hpke", b"\x01" * 32),), "keys: 1 of a gateway, 0 of an issuer"),
        (
            (configuration("issuer", "token", TOKEN[:-1] + b"\x02"),),
            "token key: another one",
        ),
    ],
)
def test_a_document_without_the_keys_that_are_used(
    others: tuple[dict[str, Any], ...], got: str
) -> None:
    entries = (entry(other, by=OPERATOR) for other in others)
    found = only_failure(judged(GATEWAY, *entries), "keys.complete")
    assert found.got == got


def test_keys_that_are_not_in_the_log() -> None:
    new = entry(configuration(notAfter="2026-12-20T00:00:00Z"), by=OPERATOR)
    logged = (LoggedConfiguration(new, LOG.proof(1)), LoggedConfiguration(ISSUER, LOG.proof(2)))
    appraised = judge(encode_key_document(logged))
    assert only_failure(appraised, "log.inclusion").cls is FindingClass.SECURITY
    passed = {f.check for f in appraised.verdict.findings if f.status is Status.PASS}
    assert "keys.complete" in passed  # and still no keys come out


def test_keys_of_another_log() -> None:
    other = Log((RELEASE, GATEWAY, ISSUER), seed=b"X" * 32)
    logged = (
        LoggedConfiguration(GATEWAY, LOG.proof(1)),
        LoggedConfiguration(ISSUER, other.proof(2)),
    )
    only_failure(judge(encode_key_document(logged)), "log.checkpoint.signature")


def test_a_policy_that_requires_no_keys_judges_none() -> None:
    without = rules(require=("evidence", "log", "release"))
    with pytest.raises(ValueError, match="does not require keys"):
        appraise_key_document(DOCUMENT, policy=without, now=NOW)


def judge_bundle(rules: Policy, **held: bytes) -> Verdict:
    whole = {
        "snp-report": AMD.report(),
        "snp-vek": AMD.vek(),
        "release-entry": RELEASE,
        "release-proof": LOG.proof(0),
    } | {role.replace("_", "-"): raw for role, raw in held.items()}
    return appraise_bundle(bundle(whole), policy=rules, roots=(AMD.root,), now=NOW, nonce=None)


def test_a_bundle_with_its_keys() -> None:
    verdict = judge_bundle(rules(), key_document=DOCUMENT)
    assert verdict.outcome is Outcome.VERIFIED
    assert set(KEY_CHECKS) <= set(verdict.required)
    assert verdict.stages == ALL


def test_a_bundle_that_leaves_its_keys_out() -> None:
    verdict = judge_bundle(rules())
    (found,) = [f for f in verdict.findings if f.status is Status.FAIL]
    assert (found.check, found.expected) == ("keys.format", "a member in the role key-document")


def test_keys_that_nobody_asked_for_are_not_proven() -> None:
    verdict = judge_bundle(rules(require=("evidence", "log", "release")), key_document=DOCUMENT)
    assert (verdict.outcome, verdict.not_proven) == (Outcome.PARTIAL, ("keys.signature",))


def test_a_report_alone_leaves_the_keys_unproven() -> None:
    evidence = SnpEvidence(report=AMD.report(), vek=AMD.vek())
    verdict = appraise_report(evidence, policy=rules(), roots=(AMD.root,), now=NOW, nonce=None)
    assert verdict.outcome is Outcome.PARTIAL
    assert "keys.signature" in verdict.not_proven


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        (policy(require=("evidence", "keys"), measurement=["11" * 48]), "policy.require", "log as"),
        (policy(LOG, require=("keys", "log")), "policy.keys", "the member"),
        (policy(LOG, require=("log",)) + keys_section(), "policy", "no unknown member"),
        (policy(LOG, require=("keys", "log")) + keys_section(2), "policy.keys.publisher_t", "1 to"),
        (policy(LOG, require=("keys", "log")) + keys_section(0), "policy.keys.publisher_t", "1 to"),
        (
            policy(LOG, require=("keys", "log")) + keys_section() + b"x = 1\n",
            "policy.keys",
            "no un",
        ),
    ],
)
def test_an_unusable_policy(text: bytes, what: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert caught.value.what.startswith(what)
    assert caught.value.expected.startswith(expected)


def test_a_policy_says_whose_keys() -> None:
    text = policy(LOG, require=ALL) + keys_section()
    jsonschema.validate(tomllib.loads(text.decode()), SCHEMA)
    parsed = parse_policy(text)
    assert parsed.keys == KeysPolicy((OPERATOR.key,), 1)
    words = render_policy(parsed)
    expected = "keys of the private path that are in logged configurations\n  signed by 1 of\n"
    assert f"{expected}    {OPERATOR.key.vkey}\n" in words
    either = keys_section().replace(b'"]', f'", "{STRANGER.key.vkey}"]'.encode())
    remarks = lint_policy(parse_policy(policy(LOG, require=("keys", "log")) + either))
    assert "keys.publisher_threshold" in {remark.key for remark in remarks}


def test_one_publisher_of_keys_is_no_remark() -> None:
    remarks = lint_policy(parse_policy(policy(LOG, require=ALL) + keys_section()))
    assert "keys.publisher_threshold" not in {remark.key for remark in remarks}
