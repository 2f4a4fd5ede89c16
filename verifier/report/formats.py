"""The formats of a verdict: one table, from which the command line takes its choices.

Each is named by module and function, so that a run loads the renderer it uses and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its ``name``, what it is for, and where ``(Judgement) -> str`` is found."""

    name: str
    purpose: str
    module: str
    function: str


_ALL = (
    Format("text", "for people, the default", "verifier.report.text", "render_text"),
    Format("json", "the verdict document", "verifier.report.json", "render_json"),
    Format("jsonl", "the same, one line a finding", "verifier.report.jsonl", "render_jsonl"),
    Format("sarif", "SARIF 2.1.0, for code scanning", "verifier.report.sarif", "render_sarif"),
    Format("junit", "JUnit XML, for test reports", "verifier.report.junit", "render_junit"),
    Format("markdown", "for job summaries", "verifier.report.markdown", "render_markdown"),
    Format("html", "one page, no script", "verifier.report.html", "render_html"),
    Format("vsa", "SLSA verification summary (in-toto)", "verifier.report.vsa", "render_vsa"),
)

FORMATS: Mapping[str, Format] = MappingProxyType({form.name: form for form in _ALL})
"""Every format by its name, in the order in which they are offered."""
