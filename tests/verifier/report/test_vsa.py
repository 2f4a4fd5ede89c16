from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import rfc8785

from tests.judgements import (
    ALL,
    FAILED,
    HOSTILE,
    NOT_DETERMINED,
    PARTIAL,
    PASS,
    SIMULATED,
    VERIFIED,
    hostile,
    judgement,
    verdict,
)
from verifier.appraisal.verdict import Target
from verifier.report.judgement import Judgement
from verifier.report.vsa import EXTENSION, render_vsa

TARGET = {"sha256": "01" * 32}
URI = f"urn:cvm-audit:bundle:sha256:{'01' * 32}"


def predicate(made: Judgement) -> dict[str, Any]:
    statement = json.loads(render_vsa(made))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["subject"] == [{"name": made.verdict.target.kind, "digest": TARGET}]
    found = statement["predicate"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_it_is_canonical_and_has_every_finding(made: Judgement) -> None:
    text = render_vsa(made)
    assert rfc8785.dumps(json.loads(text)).decode() == text
    findings = predicate(made)[f"{EXTENSION}findings"]
    assert [f["check"] for f in findings] == [f.check for f in made.verdict.findings]


def test_the_members_of_a_success() -> None:
    said = predicate(VERIFIED)
    assert said["verifier"] == {"id": "urn:cvm-audit:verifier", "version": {"cvm-audit": "0.1.0"}}
    assert said["timeVerified"] == "2026-11-21T12:00:00Z"
    assert said["resourceUri"] == URI
    assert said["policy"] == {"uri": "urn:cvm-audit:policy:p", "digest": {"sha256": "02" * 32}}
    assert said["inputAttestations"] == [{"uri": URI, "digest": TARGET}]
    assert said["verificationResult"] == "PASSED"
    assert said["verifiedLevels"] == ["CVMAUDIT_LOG", "CVMAUDIT_RELEASE"]


@pytest.mark.parametrize("made", [FAILED, PARTIAL, NOT_DETERMINED])
def test_only_verified_is_passed(made: Judgement) -> None:
    said = predicate(made)
    assert (said["verificationResult"], said["verifiedLevels"]) == ("FAILED", ["FAILED"])
    assert said[f"{EXTENSION}verdict"] == made.verdict.outcome


def test_no_slsa_level_is_claimed_and_names_of_extensions_are_addresses() -> None:
    for made in ALL:
        said = predicate(made)
        assert not any(level.startswith("SLSA_") for level in said["verifiedLevels"])
        assert all(name.startswith("urn:") for name in said if not name.isalpha())


def test_simulated_evidence_is_a_level_of_its_own() -> None:
    made = replace(SIMULATED, verdict=replace(SIMULATED.verdict, stages=("evidence", "log")))
    levels = predicate(made)["verifiedLevels"]
    assert levels == ["CVMAUDIT_EVIDENCE_SIMULATED", "CVMAUDIT_LOG"]
    hardware = replace(made, verdict=replace(made.verdict, platform="hardware"))
    assert predicate(hardware)["verifiedLevels"] == ["CVMAUDIT_EVIDENCE", "CVMAUDIT_LOG"]


def test_a_report_alone_does_not_name_all_that_was_judged() -> None:
    made = replace(VERIFIED, verdict=replace(VERIFIED.verdict, target=Target("x", b"\x01" * 32)))
    assert "inputAttestations" not in predicate(made)


def test_without_a_policy_none_is_named() -> None:
    bare = replace(verdict(PASS), policy_name="no policy", policy_sha256=b"")
    assert predicate(replace(VERIFIED, verdict=bare))["policy"] == {
        "uri": "urn:cvm-audit:no-policy"
    }


def test_foreign_text_is_escaped() -> None:
    findings = predicate(hostile())[f"{EXTENSION}findings"]
    for finding, text in zip(findings[1:], HOSTILE, strict=True):
        assert finding["got"].isprintable()
        assert (finding["got"] == text) == text.isprintable()


def test_a_success_without_findings_that_pass_cannot_be_made() -> None:
    assert predicate(judgement())["verificationResult"] == "FAILED"
