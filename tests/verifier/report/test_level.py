"""The level of a drive stands in every format, and in no verdict that is not about a drive."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.judgements import PASS, VERIFIED, driven, judgement
from tests.making import changed
from verifier.appraisal.drive.probes import PROBES
from verifier.appraisal.findings import Status, finding
from verifier.errors import ParseError
from verifier.evidence.drive_record import Level
from verifier.report.formats import FORMATS
from verifier.report.html import render_html
from verifier.report.json import render_json
from verifier.report.jsonl import render_jsonl
from verifier.report.judgement import Judgement
from verifier.report.junit import render_junit
from verifier.report.markdown import render_markdown
from verifier.report.sarif import render_sarif
from verifier.report.stored_verdict import parse_verdict
from verifier.report.text import SIMULATED_LABEL, render_text
from verifier.report.vsa import EXTENSION, render_vsa

DRIVEN, UNBOOTED = driven("emulated"), driven("")


def test_the_first_lines_and_the_last_say_it() -> None:
    lines = render_text(DRIVEN).splitlines()
    assert lines[1] == "level    emulated"
    assert lines[-1].startswith(f"VERIFIED ({SIMULATED_LABEL}; level emulated); 2 passed")
    hardware = render_text(driven("snp-hardware", platform="hardware")).splitlines()
    assert hardware[-1].startswith("VERIFIED (level snp-hardware); 2 passed")


def test_nothing_that_booted_is_said_too() -> None:
    lines = render_text(UNBOOTED).splitlines()
    assert lines[1] == "level    none"
    assert lines[-1].startswith("NOT DETERMINED (level none); 1 passed")


def test_every_format_says_it() -> None:
    document = json.loads(render_json(DRIVEN))
    assert document["level"] == "emulated"
    assert json.loads(render_jsonl(DRIVEN).splitlines()[-1])["level"] == "emulated"
    assert json.loads(render_sarif(DRIVEN))["runs"][0]["properties"]["level"] == "emulated"
    assert '<property name="level" value="emulated"/>' in render_junit(DRIVEN)
    assert "| level | <code>emulated</code> |" in render_markdown(DRIVEN)
    assert "<dt>level</dt><dd><code>emulated</code></dd>" in render_html(DRIVEN)
    predicate = json.loads(render_vsa(DRIVEN))["predicate"]
    assert predicate[f"{EXTENSION}level"] == "emulated"
    assert predicate["verifiedLevels"] == ["CVMAUDIT_LOG", "CVMAUDIT_DRIVE_EMULATED"]
    assert len(FORMATS) == 8


def test_what_is_no_drive_has_none() -> None:
    assert json.loads(render_json(VERIFIED))["level"] is None
    assert "level" not in render_text(VERIFIED)
    for render in (render_html, render_markdown):
        assert ">level<" not in render(VERIFIED)
        assert "| level |" not in render(VERIFIED)
    assert json.loads(render_vsa(VERIFIED))["predicate"][f"{EXTENSION}level"] == "none"


@pytest.mark.parametrize("level", ["hardware", "", 1, ["process"]])
def test_an_unknown_level_is_refused(level: object) -> None:
    wrong = changed(json.loads(render_json(DRIVEN)), "level", level)
    with pytest.raises(ParseError) as refused:
        parse_verdict(json.dumps(wrong).encode())
    assert refused.value.what == "verdict.level"
    assert refused.value.expected.startswith("snp-hardware, emulated-enforced, emulated, process")


def with_passes(*checks: str, platform: str, level: str) -> Judgement:
    """A drive in which these checks pass."""
    findings = tuple(
        finding(check, Status.PASS, expected="x", got="x", source="drive") for check in checks
    )
    made = driven(level, platform=platform)
    return replace(made, verdict=replace(made.verdict, findings=(PASS, *findings)))


BOOT = ("drive.boot",)
ALL = tuple(probe.check for probe in PROBES)


@pytest.mark.parametrize(
    ("level", "platform", "checks", "borne"),
    [
        (Level.PROCESS, "simulated", BOOT, True),
        (Level.EMULATED, "simulated", BOOT, True),
        (Level.EMULATED, "simulated", ("drive.answer",), False),
        (Level.PROCESS, "simulated", (), False),
        (Level.EMULATED_ENFORCED, "simulated", ALL, True),
        (Level.EMULATED_ENFORCED, "simulated", BOOT, False),
        *(
            (
                Level.EMULATED_ENFORCED,
                "simulated",
                tuple(each for each in ALL if each != left),
                False,
            )
            for left in ALL
            if left.startswith("drive.tamper.") or left in ("drive.control", "drive.boot")
        ),
        (Level.SNP_HARDWARE, "hardware", (*BOOT, "drive.measurement"), True),
        (Level.SNP_HARDWARE, "hardware", BOOT, False),
        (Level.SNP_HARDWARE, "simulated", (*BOOT, "drive.measurement"), False),
    ],
)
def test_no_document_claims_more_than_its_findings_bear(
    level: Level, platform: str, checks: tuple[str, ...], borne: bool
) -> None:
    made = with_passes(*checks, platform=platform, level=level)
    raw = render_json(made).encode()
    if borne:
        assert parse_verdict(raw).verdict == made.verdict
        return
    with pytest.raises(ParseError) as refused:
        parse_verdict(raw)
    assert (refused.value.what, refused.value.got) == ("verdict.level", level)


def test_a_level_belongs_to_a_drive() -> None:
    wrong = changed(json.loads(render_json(judgement(PASS))), "level", "process")
    with pytest.raises(ParseError) as refused:
        parse_verdict(json.dumps(wrong).encode())
    assert (refused.value.what, refused.value.got) == ("verdict.level", "process")
