from __future__ import annotations

import json
from typing import Any

import pytest

from tests.judgements import ALL, FAILED, PARTIAL, VERIFIED, hostile
from tests.making import changed
from tests.running import ROOT
from verifier.errors import ParseError, UnsupportedError
from verifier.report.json import render_json
from verifier.report.judgement import Judgement
from verifier.report.stored_verdict import MAX_VERDICT, parse_verdict


def document(made: Judgement = FAILED) -> dict[str, Any]:
    read = json.loads(render_json(made))
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize("made", ALL)
def test_what_was_written_is_read_back(made: Judgement) -> None:
    read = parse_verdict(render_json(made).encode())
    assert render_json(read) == render_json(made)
    assert (read.verdict, read.offline, read.reverify) == (made.verdict, made.offline, "")


def test_a_lone_surrogate_is_refused_and_other_foreign_text_is_read() -> None:
    with pytest.raises(ParseError, match="surrogate"):
        parse_verdict(render_json(hostile()).encode())
    whole = document(hostile())
    for finding in whole["findings"]:
        for name in ("expected", "got", "source", "hint"):
            finding[name] = finding[name].replace("\ud800", "")
    read = parse_verdict(json.dumps(whole).encode())
    assert [f.check for f in read.verdict.findings] == [f["check"] for f in whole["findings"]]


@pytest.mark.parametrize(
    ("made", "path", "value", "what", "expected", "got"),
    [
        (FAILED, "verdict", "VERIFIED", "verdict.verdict", "FAILED, by the findings", "VERIFIED"),
        (FAILED, "verdict", "GOOD", "verdict.verdict", None, "'GOOD'"),
        (FAILED, "exitCode", 0, "verdict.exitCode", "1", "0"),
        (PARTIAL, "notProven", [], "verdict.verdict", "VERIFIED, by the findings", "PARTIAL"),
        (FAILED, "skipped", [], "verdict.skipped", "snp.host_data, snp.vek.format", "''"),
        (FAILED, "platform", "hard", "verdict.platform", "hardware, simulated or null", "'hard'"),
        (FAILED, "target/kind", "thing", "verdict.target.kind", None, "'thing'"),
        (FAILED, "target/sha256", "00", "verdict.target.sha256", None, "'00'"),
        (FAILED, "policy", "p", "verdict.policy", "an object", "a string"),
        (FAILED, "stages", [], "verdict.stages", "1 to 1024 members", "0"),
        (FAILED, "required", [], "verdict.required", "1 to 1024 members", "0"),
        (FAILED, "findings", [], "verdict.findings", "1 to 1024 members", "0"),
        (FAILED, "instant", "today", "verdict.instant", None, "'today'"),
        (FAILED, "offline", 1, "verdict.offline", "a boolean", "an integer"),
        (FAILED, "tool/name", "other", "verdict.tool.name", "cvm-audit", "'other'"),
        (FAILED, "findings/0/status", "ok", "verdict.findings[0].status", None, "'ok'"),
        (FAILED, "findings/0/class", "bad", "verdict.findings[0].class", None, "'bad'"),
        (FAILED, "findings/0/hint", ..., "verdict.findings[0].hint", None, "it is missing"),
        (
            FAILED,
            "findings/4/status",
            "pass",
            "verdict.findings[4].status",
            "info, because this check is no test",
            "pass",
        ),
    ],
)
def test_a_document_that_contradicts_itself(
    made: Judgement, path: str, value: object, *, what: str, expected: str | None, got: str
) -> None:
    raw = json.dumps(changed(document(made), path, value)).encode()
    with pytest.raises(ParseError) as refused:
        parse_verdict(raw)
    error = refused.value
    assert (error.what, error.got) == (what, got)
    assert expected is None or error.expected == expected


def test_a_failure_cannot_be_painted_over() -> None:
    forged = changed(changed(document(), "verdict", "VERIFIED"), "exitCode", 0)
    with pytest.raises(ParseError, match=r"verdict\.verdict") as refused:
        parse_verdict(json.dumps(forged).encode())
    assert refused.value.expected == "FAILED, by the findings"


@pytest.mark.parametrize("path", ["", "tool", "target", "policy", "findings/0"])
def test_an_unknown_member_is_refused(path: str) -> None:
    raw = json.dumps(changed(document(), f"{path}/extra".lstrip("/"), 1)).encode()
    with pytest.raises(ParseError) as refused:
        parse_verdict(raw)
    assert (refused.value.expected, refused.value.got) == ("no unknown member", "'extra'")


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("schema", "cvm-audit/verdict/v2", "verdict.schema"),
        ("required/0", "log.later", "verdict.required"),
        ("notProven", ["log.later"], "verdict.notProven"),
        ("findings/0/check", "log.later", "verdict.findings[0].check"),
        ("findings/0/spec", "another clause", "verdict.findings[0].spec"),
    ],
)
def test_what_another_release_wrote_is_unsupported(path: str, value: object, what: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        parse_verdict(json.dumps(changed(document(), path, value)).encode())
    assert refused.value.what == what


def test_every_choice_of_the_schema_is_read() -> None:
    schema = json.loads((ROOT / "schemas" / "verdict.v1.schema.json").read_text("utf-8"))
    members = schema["properties"]
    choices = {
        "target/kind": members["target"]["properties"]["kind"]["enum"],
        "platform": members["platform"]["enum"],
        "stages": [[stage] for stage in members["stages"]["items"]["enum"]],
        "findings/1/class": members["findings"]["items"]["properties"]["class"]["enum"],
    }
    for path, values in choices.items():
        for value in values:
            changes = changed(document(), path, value)
            assert json.loads(render_json(parse_verdict(json.dumps(changes).encode()))) == changes


def test_too_much_and_no_json() -> None:
    with pytest.raises(ParseError) as refused:
        parse_verdict(b" " * (MAX_VERDICT + 1))
    assert refused.value.got == str(MAX_VERDICT + 1)
    twice = render_json(VERIFIED).replace('"offline": true', '"offline": true, "offline": true')
    with pytest.raises(ParseError) as refused:
        parse_verdict(twice.encode())
    assert refused.value.expected == "each key once"
