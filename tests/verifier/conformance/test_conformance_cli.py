from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fixture_cases.tree import FIXTURES
from tests.running import ROOT, cvm_audit
from verifier.conformance.fixture_folder import read_fixtures
from verifier.conformance.protocol import encode_request, parse_answer

OURS = (sys.executable, "-m", "verifier", "conformance", "adapter")
MISBEHAVING = (sys.executable, Path(__file__).with_name("adapters.py"))
THEIRS = (sys.executable, ROOT / "examples" / "conformance" / "sev_snp_measure_adapter.py")


def run(*arguments: object) -> Any:
    return cvm_audit("conformance", "run", *arguments)


def one(name: str) -> bytes:
    (fixture,) = read_fixtures(FIXTURES, only=name)
    return encode_request(fixture)


def test_ours_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ran = run("--only", "evidence/*-snp-vmpl*", "--", *OURS)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("right        evidence/4") for line in lines[:2])
    assert ran.last == "2 of 2 right; 0 inexact, 0 unsupported, 0 too strict, 0 unsafe, 0 error"


@pytest.mark.parametrize(
    ("name", "code", "outcome"),
    [
        ("001-accepted-milan-vcek", 0, "accepted"),
        ("*-snp-policy-debug", 10, "rejected"),
        ("*-snp-report-format-version-6", 20, "unsupported"),
        ("*-snp-crl-format", 30, "malformed"),
        ("*-policy-unknown-key", 30, "malformed"),
        ("*-snp-chain-revocation-absent-crl", 10, "rejected"),
        ("measurement/001-*", 0, "accepted"),
        ("measurement/*-no-metadata", 30, "malformed"),
    ],
)
def test_our_adapter_says_it_twice(name: str, code: int, outcome: str) -> None:
    done = subprocess.run(OURS, cwd=ROOT, input=one(name), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")
    assert parse_answer(done.stdout).ruling == outcome
    schema = json.loads((ROOT / "schemas" / "conformance-answer.v1.schema.json").read_text())
    jsonschema.validate(json.loads(done.stdout), schema)


@pytest.mark.parametrize("request_", [b"", b"{}", b'{"schema": "other"}', b"\xff"])
def test_what_is_no_request_is_no_answer(request_: bytes) -> None:
    done = subprocess.run(OURS, cwd=ROOT, input=request_, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"cvm-audit: request")


def test_one_wrong_answer_is_exit_1_and_said() -> None:
    ran = run("--only", "*-accepted-m*", "--format", "json", "--", *MISBEHAVING, "reject")
    assert ran.code == 1
    result = json.loads(ran.out)
    schema = json.loads((ROOT / "schemas" / "conformance-result.v1.schema.json").read_text())
    jsonschema.validate(result, schema)
    count = len(result["fixtures"])
    assert count >= 3
    assert result["counts"] == {
        "right": 0, "inexact": 0, "unsupported": 0, "too strict": count, "unsafe": 0, "error": 0
    }  # fmt: skip
    first = result["fixtures"][0]
    assert first["name"] == "evidence/001-accepted-milan-vcek"
    assert (first["mark"], first["expected"], first["got"]) == (
        "too strict", "accepted", "rejected",
    )  # fmt: skip


def test_an_adapter_that_says_nothing_is_null_in_json() -> None:
    ran = run("--only", "001-*", "-f", "json", "--", *MISBEHAVING, "silent")
    assert ran.code == 1
    fixtures = json.loads(ran.out)["fixtures"]
    assert {each["got"] for each in fixtures} == {None}
    assert {each["mark"] for each in fixtures} == {"error"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "no-such", "--", *OURS), "no fixture is called like no-such"),
        (("--only", "001-*", "--", "no-such-adapter"), "no-such-adapter cannot be started"),
        (("--only", "001-*"), "Missing argument"),
        (("--timeout", "0", "--", *OURS), "--timeout"),
    ],
)
def test_what_cannot_be_run_is_exit_2(arguments: tuple[object, ...], said: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert said in ran.err


def test_a_folder_without_fixtures_is_exit_2(tmp_path: Path) -> None:
    ran = run("--fixtures", tmp_path, "--", *OURS)
    assert ran.code == 2
    assert "a folder with evidence/ or measurement/" in ran.err


def test_another_verifier_measures_as_we_do() -> None:
    ran = run("--only", "measurement/*", "--", *THEIRS)
    assert ran.code == 0, ran.out
    assert " 0 unsupported" in ran.last


def test_what_the_example_cannot_judge_it_does_not_judge() -> None:
    ran = run("--only", "*-snp-vmpl*", "--", *THEIRS)
    assert ran.code == 1
    assert ran.last.startswith("0 of 2 right; 0 inexact, 2 unsupported")


def test_the_example_says_so_where_its_verifier_is_not_installed() -> None:
    done = subprocess.run(
        (THEIRS[0], "-S", THEIRS[1]),  # -S: without any installed package
        input=one("measurement/001-*"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 20
    assert parse_answer(done.stdout).reason == "sev-snp-measure is not installed"
