from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.judgements import ALL, FAILED, PASS, VERIFIED, hostile, verdict
from tests.running import ROOT
from verifier.appraisal.findings import Status
from verifier.report.json import render_json
from verifier.report.jsonl import render_jsonl
from verifier.report.judgement import Judgement


def schema(name: str) -> Any:
    return json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))


VERDICT, LINE = schema("verdict.v1"), schema("verdict-line.v1")


def conforms(document: Any, to: Any) -> None:
    jsonschema.validate(document, to, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_the_document_and_its_lines_conform(made: Judgement) -> None:
    document = json.loads(render_json(made))
    conforms(document, VERDICT)
    lines = [json.loads(line) for line in render_jsonl(made).splitlines()]
    for line in lines:
        conforms(line, LINE)
    assert [line["line"] for line in lines] == [
        "head",
        *["finding"] * len(made.verdict.findings),
        "verdict",
    ]


@pytest.mark.parametrize("made", [*ALL, hostile()])
def test_the_lines_say_what_the_document_says(made: Judgement) -> None:
    document = json.loads(render_json(made))
    head, *findings, last = (json.loads(line) for line in render_jsonl(made).splitlines())
    joined = {**head, **last, "findings": findings}
    for part in (joined, *findings):
        del part["line"]
    assert joined.pop("schema") == "cvm-audit/verdict-line/v1"
    assert document.pop("schema") == "cvm-audit/verdict/v1"
    assert joined == document


def test_the_document_is_the_same_on_success_and_on_failure() -> None:
    good, bad = (json.loads(render_json(made)) for made in (VERIFIED, FAILED))
    assert good.keys() == bad.keys()
    assert (good["verdict"], good["exitCode"]) == ("VERIFIED", 0)
    assert (bad["verdict"], bad["exitCode"]) == ("FAILED", 1)
    assert bad["skipped"] == ["snp.host_data", "snp.vek.format"]
    assert bad["findings"][1] == {
        "check": "release.role",
        "status": "fail",
        "class": "security",
        "expected": "summariser",
        "got": "guard",
        "source": "release-entry",
        "spec": "design section 4",
        "hint": "another machine answered",
    }


def test_it_holds_no_path_so_that_two_places_give_one_document() -> None:
    elsewhere = replace(FAILED, reverify="cvm-audit verify /elsewhere/bundle")
    for render in (render_json, render_jsonl):
        assert render(elsewhere) == render(FAILED)
        assert render(FAILED).isascii()


def test_without_a_policy_it_says_null() -> None:
    bare = replace(verdict(PASS), policy_name="no policy", policy_sha256=b"")
    document = json.loads(render_json(replace(VERIFIED, verdict=bare)))
    conforms(document, VERDICT)
    assert document["policy"] is None


@pytest.mark.parametrize("part", ["verdict", "exitCode", "findings", "skipped", "policy"])
def test_the_schema_misses_what_is_left_out(part: str) -> None:
    document = json.loads(render_json(FAILED))
    del document[part]
    with pytest.raises(jsonschema.ValidationError, match=part):
        conforms(document, VERDICT)


def test_the_schemas_refuse_an_unknown_member_status_and_line() -> None:
    document = json.loads(render_json(FAILED))
    with pytest.raises(jsonschema.ValidationError, match="extra"):
        conforms(document | {"extra": 1}, VERDICT)
    document["findings"][0]["status"] = "fine"
    with pytest.raises(jsonschema.ValidationError, match="fine"):
        conforms(document, VERDICT)
    line = json.loads(render_jsonl(FAILED).splitlines()[1])
    for change in ({"line": "head"}, {"status": "fine"}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            conforms(line | change, LINE)


def test_the_schemas_know_every_status() -> None:
    known = VERDICT["properties"]["findings"]["items"]["properties"]["status"]["enum"]
    assert set(known) == set(Status)


def test_both_schemas_say_the_same_of_every_member() -> None:
    members = VERDICT["properties"]
    findings = members["findings"]["items"]["properties"]
    for kind, own in (("head", {"line", "schema"}), ("finding", {"line"}), ("verdict", {"line"})):
        properties = LINE["$defs"][kind]["properties"]
        source = findings if kind == "finding" else members
        said = {name: rule for name, rule in properties.items() if name not in own}
        assert said == {name: source[name] for name in said}
        assert sorted(properties) == LINE["$defs"][kind]["required"]
