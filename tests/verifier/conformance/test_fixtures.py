"""The fixtures themselves: made again to the byte, judged as they say, and leaving nothing out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fixture_cases.tree import FIXTURES, differences, made_tree
from tests.running import ROOT, cvm_audit
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Status
from verifier.appraisal.verdict import Outcome
from verifier.conformance.fixture import Fixture, Ruling, Stage
from verifier.conformance.fixture_folder import read_fixtures
from verifier.conformance.our_adapter import judge_request
from verifier.conformance.protocol import encode_request, parse_request
from verifier.report.explanations import EXPLANATIONS

ALL = read_fixtures(FIXTURES, only="*")
EVIDENCE = [fixture for fixture in ALL if fixture.manifest.stage is Stage.EVIDENCE]
FAILING = [check.id for check in CHECKS.values() if not check.informative]

# First words of the checks without a fixture in which they alone fail, and why there is none.
# The list may only get shorter.
WITHOUT = {
    "drive": "looks at what a boot does, and at no evidence: no stage of fixtures is for that",
    "rebuild": "looks at what a build gives, and at no evidence: no stage of fixtures is for that",
    "scan": "looks at an image, and at no evidence: no stage of fixtures is for that",
}

# What the fixtures promise to cover, and what of it no evidence of this kind can show.
PROMISED = [*range(1, 18), 38, 39, 45, 48, *range(90, 97)]
NO_FIXTURE = {
    "ATK-014": "evidence of Intel TDX is not judged",
    "ATK-095": "about the packages of an image, of which evidence says nothing",
}


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "schemas" / f"{name}.v1.schema.json").read_text())
    return document


def named(fixtures: Iterable[Fixture]) -> list[Any]:
    return [pytest.param(fixture, id=fixture.name) for fixture in fixtures]


def test_they_are_made_again_to_the_byte() -> None:
    assert differences(made_tree()) == [], "python -m tests.fixture_cases --write"


def test_a_changed_fixture_is_reported() -> None:
    name = f"{ALL[0].name}/expected.json"
    found = differences({name: b"other", "evidence/999-new/manifest.json": b""})
    assert f"differs: {name}" in found
    assert "missing: evidence/999-new/manifest.json" in found
    assert f"foreign: {ALL[1].name}/expected.json" in found
    assert not [line for line in found if "_vendor" in line]  # written by hand


def test_the_folder_stays_small() -> None:
    files = [path for path in FIXTURES.rglob("*") if path.is_file()]
    assert len(files) < 1000
    assert sum(path.stat().st_size for path in files) < 6_000_000


@pytest.mark.parametrize("fixture", named(ALL))
def test_our_verdict_is_the_expected_one(fixture: Fixture) -> None:
    judged = judge_request(parse_request(encode_request(fixture)))
    assert judged.answer.ruling is fixture.expected.ruling
    ours, verdict = fixture.expected.ours, judged.verdict
    if ours is None or ours.outcome is None:
        assert verdict is None
        return
    assert verdict is not None
    assert verdict.outcome is ours.outcome
    by_status = {
        status: tuple(f.check for f in verdict.findings if f.status is status) for status in Status
    }
    assert by_status[Status.FAIL] == ours.failed
    assert by_status[Status.ERROR] == ours.errors
    assert verdict.not_proven == ours.not_proven


@pytest.mark.parametrize("fixture", named(EVIDENCE))
def test_the_command_of_an_auditor_says_the_same(fixture: Fixture, tmp_path: Path) -> None:
    folder, manifest, ours = FIXTURES / fixture.name, fixture.manifest, fixture.expected.ours
    assert manifest.arguments is not None
    assert ours is not None
    bundle = folder / "input" / "bundle.tar"
    if manifest.expand is not None:
        bundle = tmp_path / "bundle.tar"
        bundle.write_bytes(manifest.expand.applied_to(fixture.files["bundle.tar"]))
    nonce = manifest.arguments.nonce
    ran = cvm_audit(
        *("verify", bundle, "--policy", folder / "input" / "policy.toml"),
        *("--trust-root", folder / "input" / "trust-root"),
        *("--at", f"{manifest.arguments.instant:%Y-%m-%dT%H:%M:%SZ}"),
        *(("--nonce", nonce.hex()) if nonce is not None else ()),
    )
    assert ran.code == ours.exit_code


def test_every_check_fails_alone_somewhere() -> None:
    alone = {
        ours.failed[0]
        for fixture in EVIDENCE
        if (ours := fixture.expected.ours) is not None
        and ours.outcome is Outcome.FAILED
        and ours.failed == (fixture.manifest.check,)
    }
    left = [check for check in FAILING if check not in alone]
    assert {check.split(".")[0] for check in left} == set(WITHOUT), left
    assert not {check.split(".")[0] for check in alone} & set(WITHOUT)


def test_what_alone_does_not_pass_is_named() -> None:
    for fixture in EVIDENCE:
        ours, check = fixture.expected.ours, fixture.manifest.check
        assert ours is not None
        accepted = fixture.expected.ruling is Ruling.ACCEPTED
        assert (check is None) == (accepted or ours.outcome is None), fixture.name
        assert accepted == (ours.outcome is Outcome.VERIFIED), fixture.name


def test_every_check_is_explained_and_has_a_clause() -> None:
    for check in CHECKS.values():
        page = EXPLANATIONS[check.id]
        assert page.text
        assert page.spec == check.spec
        assert check.spec.strip()


def test_every_product_and_kind_of_key_has_a_baseline() -> None:
    names = {fixture.name.split("/")[1][4:] for fixture in ALL}
    for product in ("milan", "genoa", "turin"):
        for kind in ("vcek", "vlek"):
            assert f"accepted-{product}-{kind}" in names


def test_the_promised_attacks_are_covered() -> None:
    covered = {attack for fixture in ALL for attack in fixture.manifest.attacks}
    promised = {f"ATK-{number:03}" for number in PROMISED}
    assert promised - covered == set(NO_FIXTURE)
    assert all(NO_FIXTURE.values())


def test_names_count_up() -> None:
    for stage in Stage:
        numbers = [f.name.split("/")[1][:3] for f in ALL if f.manifest.stage is stage]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", ["manifest", "expected"])
def test_the_schemas_describe_the_files(name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(f"fixture-{name}"))
    for fixture in ALL:
        document = json.loads((FIXTURES / fixture.name / f"{name}.json").read_bytes())
        validator.validate(document)
        assert not validator.is_valid(document | {"more": 1})


def test_the_schema_describes_every_request() -> None:
    validator = jsonschema.Draft202012Validator(schema("conformance-request"))
    for fixture in ALL:
        if fixture.manifest.expand is None:
            validator.validate(json.loads(encode_request(fixture)))


def test_a_request_names_neither_the_fixture_nor_what_is_expected() -> None:
    for fixture in ALL:
        if fixture.manifest.expand is not None:
            continue
        request = encode_request(fixture)
        for word in (fixture.name, fixture.name.split("/")[1], fixture.manifest.title):
            assert json.dumps(word)[1:-1].encode() not in request
        assert not {"expected", "outcome", "check", "attacks"} & json.loads(request).keys()


def test_the_keys_of_the_vendor_are_said_to_be_public() -> None:
    text = (FIXTURES / "evidence" / "_vendor" / "README.md").read_text("utf-8")
    assert "public on purpose" in text


def test_the_fixture_of_the_document_is_there() -> None:
    text = (ROOT / "docs" / "spec" / "conformance.md").read_text("utf-8")
    (named_place,) = re.findall(r"^cd (fixtures/\S+)$", text, re.MULTILINE)
    assert (ROOT / named_place / "bundle.tar").is_file()
    assert "fixtures/INDEX.md" in text
