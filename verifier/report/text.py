"""A verdict as text for people: what is enforced, one line a check, the verdict in the last line.

Contract: design section 3. Nothing is wrapped, no word is only a colour, and the same lines are
written on success and on failure. The last line holds the verdict, every skip by name, and the
command that judges again offline.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Outcome
from verifier.report.judgement import Judgement

__all__ = ["SIMULATED_LABEL", "one_line", "render_text", "summary"]

SIMULATED_LABEL = "simulated platform, synthetic vendor keys: proves nothing about hardware"
"""Stands in the verdict line whenever the evidence is authentic under a simulated root."""

_RED, _GREEN, _YELLOW, _BLUE = "31", "32", "33", "34"
_STATUS_COLOURS = {
    Status.PASS: _GREEN,
    Status.FAIL: _RED,
    Status.SKIP: _YELLOW,
    Status.ERROR: _YELLOW,
    Status.INFO: _BLUE,
}
_OUTCOME_COLOURS = {
    Outcome.VERIFIED: _YELLOW,
    Outcome.FAILED: _RED,
    Outcome.NOT_DETERMINED: _YELLOW,
    Outcome.PARTIAL: _YELLOW,
}


def render_text(judgement: Judgement, *, colour: bool = False) -> str:
    """The whole text, ending in a newline. ``colour`` only paints words that stand there anyway."""
    lines = [*_head(judgement), ""]
    for finding in judgement.verdict.findings:
        shown = [one_line(line) for line in _finding(finding)]
        shown[0] = _painted(shown[0], finding.status, _STATUS_COLOURS[finding.status], colour)
        lines += shown
    outcome = judgement.verdict.outcome
    # Green says that all is well, which simulated evidence never does.
    good = outcome is Outcome.VERIFIED and not judgement.simulated
    code = _GREEN if good else _OUTCOME_COLOURS[outcome]
    lines += ["", _painted(one_line(_last(judgement)), outcome, code, colour)]
    return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    """``text`` with every character escaped that could move, hide or forge what is read.

    Observed values are the claimant's: without this, a newline in one of them could begin a line
    that says VERIFIED, and an escape sequence could paint over one that says FAILED.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _painted(line: str, word: str, code: str, colour: bool) -> str:
    # After the escaping of foreign text, and only the word that begins the line.
    return f"\x1b[1;{code}m{word}\x1b[0m{line.removeprefix(word)}" if colour else line


def _head(judgement: Judgement) -> Iterator[str]:
    yield f"target   {one_line(judgement.target)}"
    if judgement.level:
        yield f"level    {judgement.level}"
    yield f"policy   {one_line(judgement.policy)}"
    yield f"enforces {one_line(judgement.enforced)}"
    yield f"instant  {judgement.instant}, {judgement.network}"


def _finding(finding: Finding) -> Iterator[str]:
    line = f"{finding.status:<5} {finding.check}  {finding.title} [{finding.spec}]"
    if CHECKS[finding.check].informative:
        line = f"{line}: {finding.expected}"  # which of many it speaks of
    if finding.status in (Status.PASS, Status.SKIP, Status.INFO):
        yield f"{line}: {finding.got}"
        return
    yield line
    yield f"      expected: {finding.expected}"
    yield f"      got:      {finding.got}"
    yield f"      source:   {finding.source}; class {finding.cls}"
    if finding.hint:
        yield f"      hint:     {finding.hint}"


def summary(judgement: Judgement) -> str:
    """The verdict; what passed, failed, was not proven, skipped or only said; in one line."""
    verdict = judgement.verdict
    passed, failed, stated = (
        judgement.with_status(status) for status in (Status.PASS, Status.FAIL, Status.INFO)
    )
    skipped = [f.check for f in verdict.skipped if f.check not in verdict.not_proven]
    parts = [f"{len(passed)} passed"]
    if failed:
        parts.append(f"failed: {', '.join(f.check for f in failed)}")
    if verdict.not_proven:
        parts.append(f"not proven: {', '.join(verdict.not_proven)}")
    if skipped:
        parts.append(f"skipped: {', '.join(skipped)}")
    if stated:
        parts.append(f"{len(stated)} for information")
    labels = [SIMULATED_LABEL] if judgement.simulated else []
    labels += [f"level {judgement.level}"] if judgement.level else []
    label = f" ({'; '.join(labels)})" if labels else ""
    return f"{verdict.outcome}{label}; " + "; ".join(parts)


def _last(judgement: Judgement) -> str:
    command = f"; re-verify: {judgement.reverify}" if judgement.reverify else ""
    return summary(judgement) + command
