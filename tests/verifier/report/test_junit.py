from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from junitparser import JUnitXml

from tests.judgements import (
    ALL,
    ERROR,
    FAIL,
    FAILED,
    HOSTILE,
    INFO,
    NOT_DETERMINED,
    PARTIAL,
    PASS,
    SKIP,
    VERIFIED,
    hostile,
    judgement,
)
from verifier.report.judgement import Judgement
from verifier.report.junit import render_junit

MARKS = ("failure", "error", "skipped")


def suite(made: Judgement) -> ET.Element:
    root = ET.fromstring(render_junit(made))  # noqa: S314 - our own document
    assert root.tag == "testsuites"
    (only,) = root
    assert only.tag == "testsuite"
    assert dict(root.items()).items() <= dict(only.items()).items()
    return only


def marks(made: Judgement) -> list[tuple[str | None, list[str]]]:
    return [(case.get("name"), [mark.tag for mark in case]) for case in suite(made)[1:]]


def test_one_case_a_finding_and_one_for_the_verdict() -> None:
    assert marks(judgement(PASS, FAIL, SKIP, ERROR, INFO)) == [
        ("log.inclusion", []),
        ("release.role", ["failure"]),
        ("snp.host_data", ["skipped"]),
        ("snp.vek.format", ["error"]),
        ("snp.advisory", ["skipped"]),
        ("verdict", ["failure"]),
    ]


@pytest.mark.parametrize(
    ("made", "mark"),
    [(VERIFIED, []), (FAILED, ["failure"]), (PARTIAL, ["error"]), (NOT_DETERMINED, ["error"])],
)
def test_only_verified_is_a_run_without_failure_and_error(made: Judgement, mark: list[str]) -> None:
    assert marks(made)[-1] == ("verdict", mark)
    bad = sum(int(suite(made).get(name, "")) for name in ("failures", "errors"))
    assert (bad == 0) == (made is VERIFIED)


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_the_counts_are_those_of_the_cases(made: Judgement) -> None:
    only = suite(made)
    cases = only.findall("testcase")
    assert only.get("tests") == str(len(cases))
    for mark, count in zip(MARKS, ("failures", "errors", "skipped"), strict=True):
        assert only.get(count) == str(len(only.findall(f"testcase/{mark}"))), count


def test_the_properties_say_what_was_judged() -> None:
    said = {item.get("name"): item.get("value") for item in suite(FAILED).iter("property")}
    assert said["policy"] == f"p (sha256 {'02' * 32})"
    assert said["instant"] == "2026-11-21T12:00:00Z"
    assert (said["verdict"], said["exitCode"], said["network"]) == ("FAILED", "1", "offline")
    assert said["reverify"] == "cvm-audit verify b --policy p.toml"


def test_a_failure_says_what_was_expected() -> None:
    (failure,) = suite(judgement(PASS, FAIL)).findall("testcase[@name='release.role']/failure")
    assert failure.get("type") == "security"
    assert failure.text == (
        "expected: summariser; got: guard; source: release-entry; spec: design section 4; "
        "hint: another machine answered"
    )


def test_what_is_said_for_information_is_no_passed_case() -> None:
    (skipped,) = suite(judgement(PASS, INFO)).findall("testcase[@name='snp.advisory']/skipped")
    assert (skipped.get("message") or "").startswith("for information: mitigated")


def test_a_check_that_is_made_twice_has_two_names() -> None:
    twice = judgement(PASS, replace(PASS, source="other"), INFO, replace(INFO, expected="CVE-2"))
    names = [name for name, _ in marks(twice)]
    assert names == [
        "log.inclusion: proof",
        "log.inclusion: other",
        "snp.advisory: CVE-2024-21944 (BadRAM), AMD-SB-3015",
        "snp.advisory: CVE-2",
        "verdict",
    ]


def test_foreign_text_makes_no_element() -> None:
    only = suite(hostile())
    assert len(only.findall("testcase")) == len(HOSTILE) + 2
    tags = {element.tag for element in only.iter()}
    assert tags == {"testsuite", "properties", "property", "testcase", "failure"}


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_a_common_reader_reads_the_same(made: Judgement) -> None:
    (read,) = JUnitXml.fromstring(render_junit(made).encode())
    got = [(case.name, [type(mark).__name__.lower() for mark in case.result]) for case in read]
    assert got == marks(made)
    counted = [sum(name in mark for _, mark in got) for name in MARKS]
    assert (read.tests, [read.failures, read.errors, read.skipped]) == (len(got), counted)
    assert all(case.is_passed == (not case.result) for case in read)
