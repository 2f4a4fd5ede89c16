"""A verdict as one JSON document, the same on success and on failure.

Source: schemas/verdict.v1.schema.json. It holds no path and no host name, so that one bundle
judged in two places gives one document.
"""

from __future__ import annotations

import json
from typing import Any

from verifier.appraisal.findings import Finding
from verifier.appraisal.verdict import Verdict

__all__ = ["SCHEMA", "render_json"]

SCHEMA = "cvm-audit/verdict/v1"


def render_json(verdict: Verdict, *, offline: bool, tool_version: str) -> str:
    """The document, indented by two, in ASCII, ending in a newline."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": {"name": "cvm-audit", "version": tool_version},
        "verdict": str(verdict.outcome),
        "exitCode": verdict.exit_code,
        "platform": verdict.platform or None,
        "target": {"kind": verdict.target.kind, "sha256": verdict.target.sha256.hex()},
        "policy": _policy(verdict),
        "stages": list(verdict.stages),
        "instant": f"{verdict.instant:%Y-%m-%dT%H:%M:%SZ}",
        "offline": offline,
        "required": list(verdict.required),
        "findings": [_finding(finding) for finding in verdict.findings],
        "skipped": [finding.check for finding in verdict.skipped],
        "notProven": list(verdict.not_proven),
    }
    return json.dumps(document, indent=2) + "\n"


def _policy(verdict: Verdict) -> dict[str, str] | None:
    if not verdict.policy_sha256:
        return None
    return {"name": verdict.policy_name, "sha256": verdict.policy_sha256.hex()}


def _finding(finding: Finding) -> dict[str, str]:
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
