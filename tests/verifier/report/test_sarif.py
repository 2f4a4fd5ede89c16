"""SARIF 2.1.0, held against the rules of the standard that our own documents must keep."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.judgements import (
    ALL,
    ERROR,
    FAIL,
    FAILED,
    HOSTILE,
    INFO,
    PASS,
    SKIP,
    VERIFIED,
    hostile,
    judgement,
)
from verifier.appraisal.checks import CHECKS
from verifier.report.judgement import Judgement
from verifier.report.sarif import SARIF_SCHEMA, render_sarif


def run(made: Judgement) -> dict[str, Any]:
    document = json.loads(render_sarif(made))
    assert document.keys() == {"$schema", "version", "runs"}
    assert (document["$schema"], document["version"]) == (SARIF_SCHEMA, "2.1.0")
    (only,) = document["runs"]
    assert isinstance(only, dict)
    return only


@pytest.fixture(scope="module")
def standard() -> Any:
    """The schema of the standard, which is not part of the project."""
    place = os.environ.get("CVM_AUDIT_SARIF_SCHEMA")
    if not place:
        pytest.skip("CVM_AUDIT_SARIF_SCHEMA names no schema of SARIF 2.1.0")
    return json.loads(Path(place).read_text("utf-8"))


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_it_conforms_to_the_schema_of_the_standard(made: Judgement, standard: Any) -> None:
    jsonschema.validate(json.loads(render_sarif(made)), standard)


def test_the_rules_are_the_registry() -> None:
    rules = run(VERIFIED)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CHECKS)
    for rule in rules:
        assert rule["shortDescription"]["text"] == CHECKS[rule["id"]].title
        assert rule["properties"]["spec"] == CHECKS[rule["id"]].spec
        assert rule["help"]["text"].count(". ") >= 3
        assert rule["properties"]["attacks"]


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_every_finding_is_a_result_of_its_rule(made: Judgement) -> None:
    got = run(made)
    rules = got["tool"]["driver"]["rules"]
    assert len(got["results"]) == len(made.verdict.findings)
    for result, finding in zip(got["results"], made.verdict.findings, strict=True):
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"] == finding.check
        # Section 3.27.10: only a result of kind fail has a level.
        assert (result["level"] == "none") == (result["kind"] != "fail")
        assert result["properties"]["status"] == finding.status


def test_each_status_has_its_kind() -> None:
    made = judgement(PASS, FAIL, SKIP, ERROR, INFO)
    kinds = [(result["kind"], result["level"]) for result in run(made)["results"]]
    assert kinds == [
        ("pass", "none"),
        ("fail", "error"),
        ("notApplicable", "none"),
        ("open", "none"),
        ("informational", "none"),
    ]


def test_a_skip_that_leaves_a_gap_is_open() -> None:
    needed = replace(SKIP, check="log.inclusion")
    assert run(judgement(needed))["results"][0]["kind"] == "open"
    unproven = judgement(PASS, SKIP, not_proven=("snp.host_data",))
    assert run(unproven)["results"][1]["kind"] == "open"


def test_the_invocation_says_how_it_ended() -> None:
    ends = [
        (end["exitCode"], end["exitCodeDescription"], end["executionSuccessful"])
        for made in ALL
        for end in run(made)["invocations"]
    ]
    assert ends == [
        (0, "VERIFIED", True),
        (1, "FAILED", True),
        (4, "PARTIAL", True),
        (3, "NOT DETERMINED", True),
        (0, "VERIFIED", True),
        (0, "VERIFIED", True),
        (3, "NOT DETERMINED", True),
    ]


def test_expected_and_got_are_there() -> None:
    result = run(FAILED)["results"][1]
    assert result["properties"] == {
        "status": "fail",
        "class": "security",
        "expected": "summariser",
        "got": "guard",
        "source": "release-entry",
        "hint": "another machine answered",
    }
    assert result["message"]["text"] == (
        "the release is for the role of the policy: expected summariser; got guard"
    )


def test_what_was_judged_stands_in_the_run() -> None:
    said = run(FAILED)["properties"]
    assert said["verdict"] == "FAILED"
    assert said["policy"] == f"p (sha256 {'02' * 32})"
    assert said["instant"] == "2026-11-21T12:00:00Z"
    assert said["reverify"] == "cvm-audit verify b --policy p.toml"


def test_foreign_text_is_no_placeholder_no_link_and_no_address() -> None:
    text = render_sarif(hostile())
    assert text.isascii()
    for result, foreign in zip(run(hostile())["results"][1:], HOSTILE, strict=True):
        message = result["message"]["text"]
        # Section 3.11.5 and 3.11.6, after the escapes are taken away nothing is left over.
        plain = re.sub(r"\\[\\\[\]]|\{\{|\}\}", "", message)
        assert not set("{}[]\\") & set(plain), foreign
        assert message.isprintable()
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", uri), foreign
