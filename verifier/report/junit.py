"""A verdict as JUnit XML, for whatever shows test reports.

There is no standard; the form is that of Ant and Maven Surefire, which all readers share: one
``testcase`` a finding, with ``failure``, ``error`` or ``skipped`` in it. Readers call a run good
that has no failure and no error, so a last case stands for the verdict, and only VERIFIED passes
it. What is said for information is a skipped case, because a case without a mark is a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Outcome
from verifier.report.judgement import Judgement
from verifier.report.text import one_line, summary

__all__ = ["VERDICT_CASE", "render_junit"]

VERDICT_CASE = "verdict"
"""Name of the last case."""

_VERDICT_MARKS = {
    Outcome.VERIFIED: "",
    Outcome.FAILED: "failure",
    Outcome.NOT_DETERMINED: "error",
    Outcome.PARTIAL: "error",
}


def render_junit(judgement: Judgement) -> str:
    """The XML document with one suite, in UTF-8, ending in a newline."""
    findings = judgement.verdict.findings
    failures = len(judgement.with_status(Status.FAIL))
    errors = len(judgement.with_status(Status.ERROR))
    skipped = len(judgement.with_status(Status.SKIP, Status.INFO))
    mark = _VERDICT_MARKS[judgement.verdict.outcome]
    counts = _attributes(
        tests=len(findings) + 1,
        failures=failures + (mark == "failure"),
        errors=errors + (mark == "error"),
        skipped=skipped,
        time=0,
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="cvm-audit"{counts}>',
        f'  <testsuite name="cvm-audit"{counts}{_attributes(timestamp=judgement.instant)}>',
        *_properties(judgement),
        *(line for finding in findings for line in _case(finding, _name(finding, findings))),
        *_verdict_case(judgement, mark),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _attributes(**values: object) -> str:
    return "".join(f' {name}="{_text(str(value))}"' for name, value in values.items())


def _text(text: str) -> str:
    # one_line first: XML 1.0 has no form at all for most control characters.
    return escape(one_line(text), quote=True)


def _properties(judgement: Judgement) -> Iterator[str]:
    verdict = judgement.verdict
    values = {
        "verdict": str(verdict.outcome),
        "exitCode": str(verdict.exit_code),
        "platform": verdict.platform or "none",
        "level": verdict.level or "none",
        "target": judgement.target,
        "policy": judgement.policy,
        "enforces": judgement.enforced,
        "instant": judgement.instant,
        "network": judgement.network,
        "tool": f"cvm-audit {judgement.tool_version}",
        "reverify": judgement.reverify,
    }
    yield "    <properties>"
    for name, value in values.items():
        yield f"      <property{_attributes(name=name, value=value)}/>"
    yield "    </properties>"


def _name(finding: Finding, findings: tuple[Finding, ...]) -> str:
    # Readers merge cases of one name, so a check that is made of several things says of which.
    if sum(other.check == finding.check for other in findings) == 1:
        return finding.check
    what = finding.expected if CHECKS[finding.check].informative else finding.source
    return f"{finding.check}: {what}"


def _case(finding: Finding, name: str) -> Iterator[str]:
    group, _, _ = finding.check.rpartition(".")
    opened = f"<testcase{_attributes(classname=group, name=name, time=0)}"
    if finding.status is Status.PASS:
        yield f"    {opened}/>"
        return
    yield f"    {opened}>"
    if finding.status in (Status.FAIL, Status.ERROR):
        mark = "failure" if finding.status is Status.FAIL else "error"
        message = _attributes(message=finding.title, type=finding.cls)
        yield f"      <{mark}{message}>{_text(_body(finding))}</{mark}>"
    else:
        said = "for information: " if finding.status is Status.INFO else ""
        yield f"      <skipped{_attributes(message=said + finding.got)}/>"
    yield "    </testcase>"


def _body(finding: Finding) -> str:
    hint = f"; hint: {finding.hint}" if finding.hint else ""
    body = f"expected: {finding.expected}; got: {finding.got}; source: {finding.source}"
    return f"{body}; spec: {finding.spec}{hint}"


def _verdict_case(judgement: Judgement, mark: str) -> Iterator[str]:
    opened = f"<testcase{_attributes(classname='cvm-audit', name=VERDICT_CASE, time=0)}"
    if not mark:
        yield f"    {opened}/>"
        return
    message = _attributes(message=summary(judgement), type=judgement.verdict.outcome)
    yield f"    {opened}><{mark}{message}/></testcase>"
