"""The page read as a browser reads it: which elements and attributes are there, and what text."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.judgements import (
    ALL,
    FAIL,
    FAILED,
    HOSTILE,
    NOT_DETERMINED,
    PARTIAL,
    SIMULATED,
    VERIFIED,
    hostile,
    judgement,
)
from verifier.report.html import render_html
from verifier.report.html_style import STYLE
from verifier.report.judgement import Judgement
from verifier.report.text import one_line

ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "p",
    "b",
    "code",
    "pre",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
    "span",
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "open"}
EMPTY = ("meta",)


class Page(HTMLParser):
    """Elements, attributes and texts; an element that is not closed in its place fails."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def metas(self) -> dict[str, str | None]:
        named = (a for tag, a in self.elements if tag == "meta" and "content" in a)
        return {a.get("name") or a.get("http-equiv") or "": a["content"] for a in named}


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_the_page_has_our_elements_and_attributes_only(made: Judgement) -> None:
    page = Page(render_html(made))
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    classes = {attributes.get("class") for _, attributes in page.elements}
    words = {"pass", "fail", "skip", "error", "info", "open", "simulated"}
    assert classes <= words | {None, *(f"verdict {word}" for word in words)}


def test_foreign_text_is_text() -> None:
    page = Page(render_html(hostile()))
    assert sum(tag == "details" for tag, _ in page.elements) == len(HOSTILE) + 1
    for text in HOSTILE:
        assert page.texts.count(one_line(text)) >= 4  # expected, got, source, hint


def test_the_page_allows_itself_its_own_style_sheet_and_nothing_else() -> None:
    text = render_html(FAILED)
    policy = Page(text).metas()["Content-Security-Policy"] or ""
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_nothing_is_fetched() -> None:
    for word in ("url(", "@import", "src=", "href=", "http:", "https:", "//"):
        assert word not in STYLE
        assert word not in render_html(FAILED), word


def test_it_fits_a_phone() -> None:
    assert Page(render_html(FAILED)).metas()["viewport"] == "width=device-width, initial-scale=1"


@pytest.mark.parametrize(
    ("made", "word", "colour"),
    [
        (VERIFIED, "VERIFIED", "pass"),
        (FAILED, "FAILED", "fail"),
        (PARTIAL, "PARTIAL", "open"),
        (NOT_DETERMINED, "NOT DETERMINED", "open"),
        (SIMULATED, "VERIFIED", "open"),
        (judgement(FAIL, platform="simulated"), "FAILED", "fail"),
    ],
)
def test_the_verdict_is_a_word_and_a_colour(made: Judgement, word: str, colour: str) -> None:
    assert f'<p class="verdict {colour}">{word}</p>' in render_html(made)
    assert f"<title>cvm-audit: {word}</title>" in render_html(made)


def test_failures_come_first_and_are_open() -> None:
    text = render_html(FAILED)
    headings = [line for line in text.splitlines() if line.startswith("<h2>")]
    assert headings == [
        "<h2>Failed (1)</h2>",
        "<h2>Could not be made (1)</h2>",
        "<h2>Skipped: not checked (1)</h2>",
        "<h2>For information: no check (1)</h2>",
        "<h2>Passed (1)</h2>",
        "<h2>Judge again</h2>",
    ]
    assert text.count("<details open>") == 2
    assert text.count("<details>") == 3


def test_a_simulated_platform_and_what_was_not_proven_are_said() -> None:
    label = "Simulated platform, synthetic vendor keys: proves nothing about hardware."
    assert label in Page(render_html(SIMULATED)).texts
    assert label not in Page(render_html(VERIFIED)).texts
    assert "<dt>not proven</dt><dd><code>snp.host_data</code></dd>" in render_html(PARTIAL)


def test_what_is_said_for_information_says_of_what_without_a_click() -> None:
    summary = "<span>CVE-2024-21944 (BadRAM), AMD-SB-3015: mitigated: firmware 1.55.29 "
    assert summary in render_html(FAILED)
    skipped = "<span>HOST_DATA is what the policy expects: not checked: on purpose</span>"
    assert skipped in render_html(FAILED)


def test_the_command_that_judges_again_is_there_where_it_is_known() -> None:
    assert "<pre>cvm-audit verify b --policy p.toml</pre>" in render_html(FAILED)
    unknown = render_html(replace(FAILED, reverify=""))
    assert "<pre>" not in unknown
    assert "Judge again" not in unknown
