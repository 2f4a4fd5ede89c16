from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema

from tests.making import NOW
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.verdict import Target, Verdict
from verifier.report.json import render_json
from verifier.report.text import render_text

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "verdict.v1.schema.json").read_text("utf-8")
)
PASS = compared("log.inclusion", holds=True, expected="root aa", got="the same", source="proof")
FAIL = compared(
    "release.role",
    holds=False,
    expected="summariser",
    got="guard",
    source="release-entry",
    hint="another machine answered",
)
SKIP = finding(
    "snp.host_data",
    Status.SKIP,
    expected="to be checked",
    got="not checked: on purpose",
    source="snp-report",
    cls=FindingClass.POLICY,
)


def verdict(*findings: Finding, not_proven: tuple[str, ...] = (), platform: str = "") -> Verdict:
    return Verdict(
        target=Target("bundle", b"\x01" * 32),
        policy_name="p",
        policy_sha256=b"\x02" * 32,
        stages=("log", "release"),
        instant=NOW,
        platform=platform,
        required=("log.inclusion",),
        findings=findings,
        not_proven=not_proven,
    )


TEXT = f"""\
target   bundle (sha256 {"01" * 32})
policy   p (sha256 {"02" * 32})
enforces log, release: 1 required checks
instant  2026-11-21T12:00:00Z, offline

pass  log.inclusion  the entry is in the tree that the checkpoint signs [RFC 6962 section 2.1.1]: the same
fail  release.role  the release is for the role of the policy [design section 4]
      expected: summariser
      got:      guard
      source:   release-entry; class security
      hint:     another machine answered
skip  snp.host_data  HOST_DATA is what the policy expects [SNP ABI, HOST_DATA]: not checked: on purpose

FAILED; 1 passed; failed: release.role; skipped: snp.host_data; re-verify: cmd
"""  # noqa: E501 - the output is not wrapped


def test_text_line_by_line() -> None:
    assert render_text(verdict(PASS, FAIL, SKIP), offline=True, reverify="cmd") == TEXT


def last(made: Verdict) -> str:
    return render_text(made, offline=False, reverify="").splitlines()[-1]


def test_the_last_line_holds_the_verdict() -> None:
    assert last(verdict(PASS)) == "VERIFIED; 1 passed"
    assert last(verdict(PASS, SKIP)) == "VERIFIED; 1 passed; skipped: snp.host_data"
    partial = verdict(PASS, SKIP, not_proven=("snp.host_data",))
    assert last(partial) == "PARTIAL; 1 passed; not proven: snp.host_data"
    assert last(verdict(SKIP)) == "NOT DETERMINED; 0 passed; skipped: snp.host_data"


def test_a_simulated_platform_is_said_in_the_verdict_line_whatever_the_verdict() -> None:
    label = " (simulated platform, synthetic vendor keys: proves nothing about hardware); "
    for made in (verdict(PASS), verdict(FAIL), verdict(SKIP), verdict(PASS, not_proven=("x",))):
        assert label in last(replace(made, platform="simulated"))
        assert "simulated" not in last(replace(made, platform="hardware"))


def test_without_a_policy_there_is_no_digest() -> None:
    made = replace(verdict(PASS), policy_name="no policy", policy_sha256=b"")
    assert "\npolicy   no policy\n" in render_text(made, offline=True, reverify="")
    assert json.loads(render_json(made, offline=True, tool_version="1"))["policy"] is None


def test_the_document_is_the_same_on_success_and_on_failure() -> None:
    good = json.loads(render_json(verdict(PASS), offline=True, tool_version="1"))
    bad = json.loads(render_json(verdict(PASS, FAIL, SKIP), offline=True, tool_version="1"))
    for document in (good, bad):
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert good.keys() == bad.keys()
    assert (good["verdict"], good["exitCode"]) == ("VERIFIED", 0)
    assert (bad["verdict"], bad["exitCode"]) == ("FAILED", 1)
    assert bad["skipped"] == ["snp.host_data"]
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


def test_foreign_text_cannot_forge_a_line() -> None:
    forged = replace(FAIL, got="guard\nVERIFIED; 99 passed")
    lines = render_text(verdict(forged), offline=True, reverify="").splitlines()
    assert [line for line in lines if line.startswith("VERIFIED")] == []
    assert not any(line.startswith("VERIFIED") for line in lines)
