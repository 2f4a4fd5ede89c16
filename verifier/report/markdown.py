"""A verdict as Markdown (GitHub Flavored), for job summaries and comments.

Foreign text cannot leave its cell: every character that means anything to Markdown or HTML is
written as a numeric character reference, which is always text (CommonMark section 2.5), and the
whole stands in ``<code>``, where hosts make no mention or issue of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.appraisal.findings import Finding, Status
from verifier.report.judgement import Judgement
from verifier.report.text import SIMULATED_LABEL, one_line

__all__ = ["render_markdown"]

# Besides what has a meaning of its own: what would begin a link that is made of bare text.
_SPECIAL = re.compile(r"[^A-Za-z0-9 .,:;=()+/-]|:(?=/)|(?<=www)\.", re.ASCII | re.IGNORECASE)
_HEADINGS = (
    ("Failed", (Status.FAIL,)),
    ("Could not be made", (Status.ERROR,)),
    ("Skipped", (Status.SKIP,)),
    ("For information", (Status.INFO,)),
    ("Passed", (Status.PASS,)),
)


def render_markdown(judgement: Judgement) -> str:
    """The document, ending in a newline."""
    verdict = judgement.verdict
    simulated = ["", f"**{SIMULATED_LABEL[0].upper()}{SIMULATED_LABEL[1:]}.**"]
    lines = [
        f"## cvm-audit: {verdict.outcome}",
        *(simulated if judgement.simulated else ()),
        "",
        *_table(("", ""), _head(judgement)),
    ]
    for heading, statuses in _HEADINGS:
        findings = judgement.with_status(*statuses)
        if findings:
            titles = ("check", "what was checked", "expected", "got", "source")
            lines += ["", f"### {heading}: {len(findings)}", ""]
            lines += _table(titles, map(_row, findings))
    if judgement.reverify:
        lines += ["", f"Judge again: {_code(judgement.reverify)}"]
    return "\n".join(lines) + "\n"


def _head(judgement: Judgement) -> Iterator[tuple[str, ...]]:
    verdict = judgement.verdict
    yield "target", _code(judgement.target)
    if judgement.level:
        yield "level", _code(judgement.level)
    yield "policy", _code(judgement.policy)
    yield "enforces", _code(judgement.enforced)
    yield "instant", _code(f"{judgement.instant}, {judgement.network}")
    yield "tool", _code(f"cvm-audit {judgement.tool_version}")
    yield "exit code", _code(str(verdict.exit_code))
    if verdict.not_proven:
        yield "not proven", "<br>".join(_code(check) for check in verdict.not_proven)


def _row(finding: Finding) -> tuple[str, ...]:
    hint = f"<br>hint: {_code(finding.hint)}" if finding.hint else ""
    title = f"{_code(finding.title)}<br>{_code(finding.spec)}"
    source = f"{_code(finding.source)}, {finding.cls}"
    return _code(finding.check), title, _code(finding.expected), _code(finding.got) + hint, source


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _code(text: str) -> str:
    return f"<code>{_SPECIAL.sub(lambda found: f'&#{ord(found[0])};', one_line(text))}</code>"
