from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from tests.judgements import ALL, hostile
from tests.running import ROOT
from verifier.report.formats import FORMATS, Format
from verifier.report.judgement import Judgement


def test_the_table_is_what_the_design_promises() -> None:
    promised = ["text", "json", "jsonl", "sarif", "junit", "markdown", "html", "vsa"]
    assert list(FORMATS) == promised
    assert all(name == form.name for name, form in FORMATS.items())


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_every_format_writes_the_verdict_and_every_check(form: Format, made: Judgement) -> None:
    text = getattr(importlib.import_module(form.module), form.function)(made)
    assert isinstance(text, str)
    assert str(made.verdict.outcome) in text
    plain = text.replace("&#95;", "_")
    assert all(finding.check in plain for finding in made.verdict.findings)
    text.encode("utf-8")


def test_a_verdict_as_text_loads_no_other_renderer() -> None:
    others = {form.module for form in FORMATS.values()} - {"verifier.report.text"}
    code = "import sys, verifier.cli.judging, verifier.report.text; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "verifier.report.text" in loaded
    assert not {*others, "verifier.report.explanations"} & loaded
