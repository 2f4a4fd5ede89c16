"""A verdict as one self-contained HTML page: no script, no other resource, nothing fetched.

Every foreign text is escaped, and a content policy in the page forbids all but its own style
sheet, so that an escape that was forgotten would still run nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Outcome
from verifier.report.html_style import CONTENT_POLICY, STYLE
from verifier.report.judgement import Judgement
from verifier.report.text import SIMULATED_LABEL, one_line

__all__ = ["render_html"]

_OUTCOME_CLASSES = {
    Outcome.VERIFIED: "open",
    Outcome.FAILED: "fail",
    Outcome.NOT_DETERMINED: "open",
    Outcome.PARTIAL: "open",
}
_SECTIONS = (
    ("Failed", Status.FAIL),
    ("Could not be made", Status.ERROR),
    ("Skipped: not checked", Status.SKIP),
    ("For information: no check", Status.INFO),
    ("Passed", Status.PASS),
)
_MEANINGS = {
    Outcome.VERIFIED: "every required check passed",
    Outcome.FAILED: "at least one check failed",
    Outcome.NOT_DETERMINED: "nothing failed, and a required check could not be made",
    Outcome.PARTIAL: "what was required passed, and something that is claimed was not proven",
}


def render_html(judgement: Judgement) -> str:
    """The page, in UTF-8, ending in a newline."""
    outcome = judgement.verdict.outcome
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>cvm-audit: {outcome}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        *_head(judgement),
        *(line for heading, status in _SECTIONS for line in _section(judgement, heading, status)),
        *_reverify(judgement),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)


def _head(judgement: Judgement) -> Iterator[str]:
    verdict = judgement.verdict
    outcome = verdict.outcome
    yield "<h1>cvm-audit</h1>"
    # Green says that all is well, which simulated evidence never does.
    good = outcome is Outcome.VERIFIED and not judgement.simulated
    colour = "pass" if good else _OUTCOME_CLASSES[outcome]
    yield f'<p class="verdict {colour}">{outcome}</p>'
    if judgement.simulated:
        label = f"{SIMULATED_LABEL[0].upper()}{SIMULATED_LABEL[1:]}."
        yield f'<p class="simulated"><b class="open">{label}</b></p>'
    yield f"<p>{_MEANINGS[outcome].capitalize()}: {_counts(judgement)}.</p>"
    rows = [
        ("target", judgement.target),
        *((("level", judgement.level),) if judgement.level else ()),
        ("policy", judgement.policy),
        ("enforces", judgement.enforced),
        ("instant", f"{judgement.instant}, {judgement.network}"),
        ("platform", verdict.platform or "none"),
        ("tool", f"cvm-audit {judgement.tool_version}"),
        ("exit code", str(verdict.exit_code)),
    ]
    if verdict.not_proven:
        rows.append(("not proven", ", ".join(verdict.not_proven)))
    yield from _rows(rows)


def _counts(judgement: Judgement) -> str:
    words = {
        Status.FAIL: "failed",
        Status.ERROR: "could not be made",
        Status.SKIP: "skipped",
        Status.PASS: "passed",
        Status.INFO: "for information",
    }
    counts = ((len(judgement.with_status(status)), word) for status, word in words.items())
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def _rows(rows: list[tuple[str, str]]) -> Iterator[str]:
    yield "<dl>"
    for name, value in rows:
        yield f"<dt>{name}</dt><dd><code>{_text(value)}</code></dd>"
    yield "</dl>"


def _section(judgement: Judgement, heading: str, status: Status) -> Iterator[str]:
    findings = judgement.with_status(status)
    if not findings:
        return
    yield f"<h2>{heading} ({len(findings)})</h2>"
    for finding in findings:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    opened = " open" if finding.status in (Status.FAIL, Status.ERROR) else ""
    word = f'<b class="{finding.status}">{finding.status}</b>'
    yield f"<details{opened}>"
    yield (
        f"<summary>{word} <code>{_text(finding.check)}</code>"
        f"<span>{_text(_subtitle(finding))}</span></summary>"
    )
    rows = [("expected", finding.expected), ("got", finding.got), ("source", finding.source)]
    rows += [("class", str(finding.cls)), ("spec", finding.spec)]
    yield from _rows(rows + ([("hint", finding.hint)] if finding.hint else []))
    yield "</details>"


def _subtitle(finding: Finding) -> str:
    if CHECKS[finding.check].informative:
        return f"{finding.expected}: {finding.got}"  # one check speaks of many things
    unmade = finding.status in (Status.SKIP, Status.INFO)
    return f"{finding.title}: {finding.got}" if unmade else finding.title


def _reverify(judgement: Judgement) -> Iterator[str]:
    if judgement.reverify:
        yield f"<h2>Judge again</h2>\n<pre>{_text(judgement.reverify)}</pre>"
    yield "<p>What a check proves: <code>cvm-audit explain CHECK</code></p>"
