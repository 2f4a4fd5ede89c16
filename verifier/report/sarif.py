"""A verdict as SARIF 2.1.0, for code scanning and other readers of static analysis results.

Source: OASIS SARIF 2.1.0 (with Errata 01). The rules are the whole registry of checks, and there
is a result for every finding, passed ones included. The evidence is no file of a repository, so a
location names the piece of it that the observed value came from.
"""

from __future__ import annotations

import json
import re
from typing import Any

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, Status
from verifier.report.explanations import EXPLANATIONS, Explanation
from verifier.report.judgement import Judgement
from verifier.report.text import one_line

__all__ = ["SARIF_SCHEMA", "render_sarif"]

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
"""Names the schema; nothing is fetched from there."""

_KINDS = {
    Status.PASS: "pass",
    Status.FAIL: "fail",
    Status.ERROR: "open",
    Status.INFO: "informational",
}
_PLACES = {check: place for place, check in enumerate(CHECKS)}
_URI_SAFE = re.compile(r"[A-Za-z0-9._~-]")


def render_sarif(judgement: Judgement) -> str:
    """The log file with one run, indented by two, in ASCII, ending in a newline."""
    driver = {
        "name": "cvm-audit",
        "version": judgement.tool_version,
        "semanticVersion": judgement.tool_version,
        "rules": [_rule(EXPLANATIONS[check]) for check in CHECKS],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(judgement)],
        "results": [_result(judgement, finding) for finding in judgement.verdict.findings],
        "properties": _properties(judgement),
    }
    document = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _rule(explanation: Explanation) -> dict[str, Any]:
    return {
        "id": explanation.check,
        "shortDescription": {"text": _message(explanation.title)},
        "fullDescription": {"text": _message(f"{explanation.proves} [{explanation.spec}]")},
        "help": {"text": _message(explanation.text)},
        "properties": {"spec": explanation.spec, "attacks": list(explanation.attacks)},
    }


def _invocation(judgement: Judgement) -> dict[str, Any]:
    # The program did its work, whatever it found; the exit code says what that was.
    verdict = judgement.verdict
    return {
        "executionSuccessful": True,
        "exitCode": verdict.exit_code,
        "exitCodeDescription": str(verdict.outcome),
    }


def _properties(judgement: Judgement) -> dict[str, Any]:
    verdict = judgement.verdict
    return {
        "verdict": str(verdict.outcome),
        "platform": verdict.platform or "none",
        "level": verdict.level or "none",
        "target": judgement.target,
        "policy": judgement.policy,
        "stages": list(verdict.stages),
        "instant": judgement.instant,
        "offline": judgement.offline,
        "required": list(verdict.required),
        "notProven": list(verdict.not_proven),
        "reverify": one_line(judgement.reverify),
    }


def _result(judgement: Judgement, finding: Finding) -> dict[str, Any]:
    source = one_line(finding.source)
    return {
        "ruleId": finding.check,
        "ruleIndex": _PLACES[finding.check],
        "kind": _kind(judgement, finding),
        # Section 3.27.10: a result of another kind than fail has no level.
        "level": "error" if finding.status is Status.FAIL else "none",
        "message": {"text": _message(_sentence(finding))},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(source)}},
                "logicalLocations": [{"fullyQualifiedName": source, "kind": "resource"}],
            }
        ],
        "properties": {
            "status": str(finding.status),
            "class": str(finding.cls),
            "expected": one_line(finding.expected),
            "got": one_line(finding.got),
            "source": source,
            "hint": one_line(finding.hint),
        },
    }


def _kind(judgement: Judgement, finding: Finding) -> str:
    if finding.status is Status.SKIP:
        return "open" if judgement.leaves_open(finding) else "notApplicable"
    return _KINDS[finding.status]


def _sentence(finding: Finding) -> str:
    if finding.status is Status.FAIL:
        return f"{finding.title}: expected {finding.expected}; got {finding.got}"
    return f"{finding.title}: {finding.got}"


def _message(text: str) -> str:
    # Sections 3.11.5 and 3.11.6: braces would be placeholders, and brackets a link.
    escaped = re.sub(r"[\\\[\]]", lambda found: f"\\{found[0]}", one_line(text))
    return escaped.replace("{", "{{").replace("}", "}}")


def _uri(text: str) -> str:
    # RFC 3986 section 2.1; a first segment with a colon would be read as a scheme.
    return "".join(
        c if _URI_SAFE.fullmatch(c) else "".join(f"%{byte:02X}" for byte in c.encode("utf-8"))
        for c in text
    )
