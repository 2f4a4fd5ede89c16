"""A verdict as text for people: what is enforced, one line a check, the verdict in the last line.

Contract: design section 3. Nothing is wrapped, no word is only a colour, and the same lines are
written on success and on failure. The last line holds the verdict, every skip by name, and the
command that judges again offline.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Verdict

__all__ = ["SIMULATED_LABEL", "one_line", "render_text"]

SIMULATED_LABEL = "simulated platform, synthetic vendor keys: proves nothing about hardware"
"""Stands in the verdict line whenever the evidence is authentic under a simulated root."""


def render_text(verdict: Verdict, *, offline: bool, reverify: str) -> str:
    """The whole text, ending in a newline. ``reverify`` is a shell command, or empty."""
    lines = [*_head(verdict, offline=offline)]
    for finding in verdict.findings:
        lines += _finding(finding)
    lines += ["", _last(verdict, reverify)]
    return "\n".join(one_line(line) for line in lines) + "\n"


def one_line(text: str) -> str:
    """``text`` with every character escaped that could move, hide or forge what is read.

    Observed values are the claimant's: without this, a newline in one of them could begin a line
    that says VERIFIED, and an escape sequence could paint over one that says FAILED.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _head(verdict: Verdict, *, offline: bool) -> Iterator[str]:
    digest = f" (sha256 {verdict.policy_sha256.hex()})" if verdict.policy_sha256 else ""
    network = "offline" if offline else "online"
    yield f"target   {verdict.target.kind} (sha256 {verdict.target.sha256.hex()})"
    yield f"policy   {verdict.policy_name}{digest}"
    yield f"enforces {', '.join(verdict.stages)}: {len(verdict.required)} required checks"
    yield f"instant  {verdict.instant:%Y-%m-%dT%H:%M:%SZ}, {network}"
    yield ""


def _finding(finding: Finding) -> Iterator[str]:
    line = f"{finding.status:<5} {finding.check}  {finding.title} [{finding.spec}]"
    if finding.status in (Status.PASS, Status.SKIP, Status.INFO):
        yield f"{line}: {finding.got}"
        return
    yield line
    yield f"      expected: {finding.expected}"
    yield f"      got:      {finding.got}"
    yield f"      source:   {finding.source}; class {finding.cls}"
    if finding.hint:
        yield f"      hint:     {finding.hint}"


def _last(verdict: Verdict, reverify: str) -> str:
    by_status = {
        status: [f.check for f in verdict.findings if f.status is status] for status in Status
    }
    skipped = [f.check for f in verdict.skipped if f.check not in verdict.not_proven]
    parts = [f"{len(by_status[Status.PASS])} passed"]
    if by_status[Status.FAIL]:
        parts.append(f"failed: {', '.join(by_status[Status.FAIL])}")
    if verdict.not_proven:
        parts.append(f"not proven: {', '.join(verdict.not_proven)}")
    if skipped:
        parts.append(f"skipped: {', '.join(skipped)}")
    if reverify:
        parts.append(f"re-verify: {reverify}")
    label = f" ({SIMULATED_LABEL})" if verdict.platform == "simulated" else ""
    return f"{verdict.outcome}{label}; " + "; ".join(parts)
