"""A verdict as one JSON document, the same on success and on failure.

Source: schemas/verdict.v1.schema.json. It holds no path and no host name, so that one bundle
judged in two places gives one document.
"""

from __future__ import annotations

import json
from typing import Any

from verifier.appraisal.findings import Finding
from verifier.appraisal.verdict import Verdict
from verifier.report.judgement import Judgement

__all__ = ["SCHEMA", "finding_members", "render_json", "verdict_members"]

SCHEMA = "cvm-audit/verdict/v1"


def render_json(judgement: Judgement) -> str:
    """The document, indented by two, in ASCII, ending in a newline."""
    return json.dumps(verdict_members(judgement), indent=2) + "\n"


def verdict_members(judgement: Judgement) -> dict[str, Any]:
    """The members of the document, in their order."""
    verdict = judgement.verdict
    return {
        "schema": SCHEMA,
        "tool": {"name": "cvm-audit", "version": judgement.tool_version},
        "verdict": str(verdict.outcome),
        "exitCode": verdict.exit_code,
        "platform": verdict.platform or None,
        "level": verdict.level or None,
        "target": {"kind": verdict.target.kind, "sha256": verdict.target.sha256.hex()},
        "policy": _policy(verdict),
        "stages": list(verdict.stages),
        "instant": judgement.instant,
        "offline": judgement.offline,
        "required": list(verdict.required),
        "findings": [finding_members(finding) for finding in verdict.findings],
        "skipped": [finding.check for finding in verdict.skipped],
        "notProven": list(verdict.not_proven),
    }


def _policy(verdict: Verdict) -> dict[str, str] | None:
    if not verdict.policy_sha256:
        return None
    return {"name": verdict.policy_name, "sha256": verdict.policy_sha256.hex()}


def finding_members(finding: Finding) -> dict[str, str]:
    """The members of one finding, in their order."""
    return {
        "check": finding.check,
        "status": str(finding.status),
        "class": str(finding.cls),
        "expected": finding.expected,
        "got": finding.got,
        "source": finding.source,
        "spec": finding.spec,
        "hint": finding.hint,
    }
