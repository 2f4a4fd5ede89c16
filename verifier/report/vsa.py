"""A verdict as a SLSA verification summary: an in-toto Statement that others can act on.

Source: SLSA v1.0, "Verification Summary Attestation"; in-toto Statement v1. ``PASSED`` is only
said of VERIFIED. No SLSA level is claimed, because none is judged here: ``verifiedLevels`` names
the stages that were. A simulated platform and each level of a drive have names of their own, which
no rule about hardware matches. What the predicate has no field for, above all every finding, stands
in extension fields, whose names are URIs as the specification asks. Signing is not done here.
"""

from __future__ import annotations

from typing import Any

import rfc8785

from verifier.appraisal.findings import Finding
from verifier.appraisal.verdict import Outcome
from verifier.report.json import finding_members
from verifier.report.judgement import Judgement
from verifier.report.text import one_line

__all__ = ["EXTENSION", "PREDICATE_TYPE", "VERIFIER_ID", "render_vsa"]

PREDICATE_TYPE = "https://slsa.dev/verification_summary/v1"
VERIFIER_ID = "urn:cvm-audit:verifier"
EXTENSION = "urn:cvm-audit:vsa:"
"""Begins the name of each extension field."""

_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_FAILED = "FAILED"


def render_vsa(judgement: Judgement) -> str:
    """The statement in RFC 8785 canonical form, unsigned, without a newline at its end.

    ``timeVerified`` is the instant of judgement, which the auditor may have chosen.
    """
    target = judgement.verdict.target
    statement: dict[str, Any] = {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": target.kind, "digest": {"sha256": target.sha256.hex()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(judgement),
    }
    return rfc8785.dumps(statement).decode("utf-8")


def _predicate(judgement: Judgement) -> dict[str, Any]:
    verdict = judgement.verdict
    uri = f"urn:cvm-audit:{verdict.target.kind}:sha256:{verdict.target.sha256.hex()}"
    verified = verdict.outcome is Outcome.VERIFIED
    predicate: dict[str, Any] = {
        "verifier": {"id": VERIFIER_ID, "version": {"cvm-audit": judgement.tool_version}},
        "timeVerified": judgement.instant,
        "resourceUri": uri,
        "policy": _policy(judgement),
        "verificationResult": "PASSED" if verified else _FAILED,
        "verifiedLevels": _levels(judgement) if verified else [_FAILED],
        "slsaVersion": "1.0",
        f"{EXTENSION}verdict": str(verdict.outcome),
        f"{EXTENSION}platform": verdict.platform or "none",
        f"{EXTENSION}level": verdict.level or "none",
        f"{EXTENSION}required": list(verdict.required),
        f"{EXTENSION}notProven": list(verdict.not_proven),
        f"{EXTENSION}findings": [_finding(finding) for finding in verdict.findings],
    }
    if verdict.target.kind == "bundle":
        # Its digest names everything that was judged; a report or an entry alone does not, and
        # a list that is there must be complete.
        digest = {"sha256": verdict.target.sha256.hex()}
        predicate["inputAttestations"] = [{"uri": uri, "digest": digest}]
    return predicate


def _policy(judgement: Judgement) -> dict[str, Any]:
    verdict = judgement.verdict
    if not verdict.policy_sha256:
        return {"uri": "urn:cvm-audit:no-policy"}
    return {
        "uri": f"urn:cvm-audit:policy:{verdict.policy_name}",
        "digest": {"sha256": verdict.policy_sha256.hex()},
    }


def _levels(judgement: Judgement) -> list[str]:
    suffixes = {
        "evidence": "_SIMULATED" if judgement.simulated else "",
        "drive": f"_{judgement.level.upper().replace('-', '_')}",
    }
    return [
        f"CVMAUDIT_{stage.upper()}{suffixes.get(stage, '')}" for stage in judgement.verdict.stages
    ]


def _finding(finding: Finding) -> dict[str, str]:
    # RFC 8785 has no form for half of a surrogate pair, which one_line escapes.
    return {name: one_line(value) for name, value in finding_members(finding).items()}
