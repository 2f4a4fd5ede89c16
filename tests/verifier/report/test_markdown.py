from __future__ import annotations

import html
import re

import pytest

from tests.judgements import (
    ALL,
    FAILED,
    HOSTILE,
    PARTIAL,
    SIMULATED,
    VERIFIED,
    hostile,
)
from verifier.report.judgement import Judgement
from verifier.report.markdown import render_markdown
from verifier.report.text import one_line

CODE = re.compile(r"<code>([^<>]*)</code>")


def tables(text: str) -> list[list[str]]:
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [block.splitlines() for block in blocks]


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_every_row_has_the_columns_of_its_table(made: Judgement) -> None:
    found = tables(render_markdown(made))
    assert found
    for lines in found:
        assert {line.count("|") for line in lines} == {lines[0].count("|")}
        assert re.fullmatch(r"\|(---\|)+", lines[1])


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_outside_of_code_there_are_only_words_of_ours(made: Judgement) -> None:
    left = CODE.sub("", render_markdown(made))
    assert set(left) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            " .,:;-|#*<>\n"), left  # fmt: skip
    assert set(re.findall(r"<[^>]*>", left)) <= {"<br>"}


def test_inside_of_code_nothing_means_anything() -> None:
    for inside in CODE.findall(render_markdown(hostile())):
        assert re.fullmatch(r"(?:[A-Za-z0-9 .,:;=()+/-]|&#[0-9]+;)*", inside)
        assert "://" not in inside
        assert "www." not in inside


def test_foreign_text_is_shown_as_it_is() -> None:
    shown = [html.unescape(inside) for inside in CODE.findall(render_markdown(hostile()))]
    for text in HOSTILE:
        assert one_line(text) in shown


def test_the_verdict_comes_first_and_failures_before_passes() -> None:
    text = render_markdown(FAILED)
    assert text.startswith("## cvm-audit: FAILED\n")
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert headings == [
        "Failed: 1",
        "Could not be made: 1",
        "Skipped: 1",
        "For information: 1",
        "Passed: 1",
    ]
    assert text.endswith("\nJudge again: <code>cvm-audit verify b --policy p.toml</code>\n")


def test_what_was_not_proven_and_what_is_simulated_is_said() -> None:
    assert "| not proven | <code>snp.host&#95;data</code> |" in render_markdown(PARTIAL)
    label = "**Simulated platform, synthetic vendor keys: proves nothing about hardware.**"
    assert label in render_markdown(SIMULATED)
    assert label not in render_markdown(VERIFIED)
