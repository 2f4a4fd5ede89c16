from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixture_cases.tree import FIXTURES
from verifier.conformance.fixture import (
    Expansion,
    Launch,
    Ruling,
    Stage,
    parse_expected,
    parse_manifest,
)
from verifier.conformance.fixture_folder import find_fixtures, read_fixtures
from verifier.conformance.protocol import (
    Answer,
    MeasurementRequest,
    encode_answer,
    encode_request,
    parse_answer,
    parse_request,
)
from verifier.errors import ParseError, PolicyError
from verifier.tlog.strict import parse_json

NAME = "evidence/001-accepted-milan-vcek"
LAUNCHED = "measurement/002-direct-boot"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURES / NAME, tmp_path / NAME)
    return tmp_path


def manifest(name: str = NAME) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / name / "manifest.json").read_bytes())
    return document


def refused(folder: Path) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        read_fixtures(folder, only="*")
    return caught.value


def test_a_fixture_is_read() -> None:
    (fixture,) = read_fixtures(FIXTURES, only=NAME)
    assert (fixture.name, fixture.manifest.stage) == (NAME, Stage.EVIDENCE)
    assert set(fixture.files) == {"bundle.tar", "policy.toml", "trust-root/root.json"}


def test_a_launch_is_read() -> None:
    (fixture,) = read_fixtures(FIXTURES, only=LAUNCHED)
    assert isinstance(fixture.manifest.launch, Launch)
    request = parse_request(encode_request(fixture))
    assert isinstance(request, MeasurementRequest)
    assert request.launch == fixture.manifest.launch
    assert (request.kernel, request.initrd) == (b"a kernel", b"an initrd")


@pytest.mark.parametrize("only", ["001-*", "*/001-*", NAME])
def test_a_pattern_is_for_the_name_with_or_without_its_stage(only: str) -> None:
    assert NAME in [fixture.name for fixture in read_fixtures(FIXTURES, only=only)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d.update(schema="cvm-audit/fixture/v2"), "manifest.json.schema"),
        (lambda d: d.update(more=1), "manifest.json"),
        (lambda d: d.update(title="two\nlines"), "manifest.json.title"),
        (lambda d: d.update(spec=[]), "manifest.json.spec"),
        (lambda d: d.update(attacks=["ATK-097"]), "manifest.json.attacks"),
        (lambda d: d.update(check="snp.nonsense"), "manifest.json.check"),
        (lambda d: d.update(stage="gpu"), "manifest.json.stage"),
        (lambda d: d.pop("arguments"), "manifest.json.arguments"),
        (lambda d: d["arguments"].update(instant="2026-11-21"), "manifest.json.arguments.instant"),
        (lambda d: d["arguments"].update(nonce="00"), "manifest.json.arguments.nonce"),
        (lambda d: d.update(launch={}), "manifest.json"),
        (
            lambda d: d.update(expand={"offset": 0, "byte": 256, "count": 1}),
            "manifest.json.expand.byte",
        ),
        (
            lambda d: d.update(expand={"offset": 0, "byte": 0, "count": 2**26 + 1}),
            "manifest.json.expand.count",
        ),
    ],
)
def test_a_manifest_that_is_none(folder: Path, change: Change, what: str) -> None:
    document = manifest()
    change(document)
    (folder / NAME / "manifest.json").write_text(json.dumps(document))
    assert refused(folder).what == f"fixture {NAME}: {what}"


def test_a_measurement_has_no_arguments() -> None:
    document = manifest(LAUNCHED) | {"arguments": manifest()["arguments"]}
    with pytest.raises(ParseError) as caught:
        parse_manifest(json.dumps(document).encode())
    assert caught.value.got == "'arguments'"


@pytest.mark.parametrize(
    ("change", "what", "expected"),
    [
        (lambda d: d.update(outcome="fine"), ".outcome", "accepted or rejected"),
        (lambda d: d["cvmAudit"].update(exitCode=1), ".cvmAudit.exitCode", "0, of VERIFIED"),
        (lambda d: d["cvmAudit"].update(verdict="none"), ".cvmAudit.exitCode", "2, of none"),
        (lambda d: d["cvmAudit"].update(failed=["snp.nonsense"]), ".cvmAudit.failed", "strings"),
        (lambda d: d["cvmAudit"].pop("errors"), ".cvmAudit.errors", "the member"),
    ],
)
def test_expectations_that_are_none(change: Change, what: str, expected: str) -> None:
    document = json.loads((FIXTURES / NAME / "expected.json").read_bytes())
    change(document)
    with pytest.raises(ParseError) as caught:
        parse_expected(json.dumps(document).encode())
    assert caught.value.what == f"expected.json{what}"
    assert caught.value.expected.startswith(expected)


def test_a_stage_in_the_folder_of_another(folder: Path) -> None:
    (folder / NAME).rename(folder / "x")
    (folder / "measurement").mkdir()
    (folder / "x").rename(folder / "measurement" / "001-x")
    error = refused(folder)
    assert (error.expected, error.got) == ("measurement", "evidence")


def test_a_name_that_is_none(folder: Path) -> None:
    (folder / NAME).rename(folder / "evidence" / "1-x")
    assert refused(folder).got == "1-x"


def test_a_file_that_is_missing(folder: Path) -> None:
    (folder / NAME / "expected.json").unlink()
    assert refused(folder).got == "No such file or directory"


def test_an_input_that_is_missing(folder: Path) -> None:
    (folder / NAME / "input" / "policy.toml").unlink()
    (fixture,) = read_fixtures(folder, only="*")
    with pytest.raises(ParseError) as caught:
        encode_request(fixture)
    assert (caught.value.what, caught.value.got) == ("input/policy.toml", "it is missing")


def test_the_fixtures_of_the_checkout_are_found(tmp_path: Path) -> None:
    assert find_fixtures(None) == FIXTURES
    assert find_fixtures(FIXTURES) == FIXTURES
    with pytest.raises(PolicyError) as caught:
        find_fixtures(tmp_path)
    assert "--fixtures" in caught.value.hint


def test_an_expansion_goes_where_it_belongs() -> None:
    assert Expansion(offset=2, byte=0x78, count=3).applied_to(b"abcd") == b"abxxxcd"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(ruling=Ruling.ACCEPTED, failed=None, reason=""),
        Answer(ruling=Ruling.REJECTED, failed=("snp.vmpl",), reason="snp.vmpl: 1"),
    ],
)
def test_an_answer_comes_back(answer: Answer) -> None:
    assert parse_answer(encode_answer(answer)) == answer


def test_a_long_text_in_json_costs_no_more_than_a_few_times_its_size() -> None:
    # An evidence bomb: counting brackets once took a hundred times the size of a string.
    size = 4 * 1024 * 1024
    lists = b",".join([b"[]"] * 40)  # so many that they have to be counted
    text, escaped = b"A" * size, b"\\n" * (size // 2)
    raw = b'{"lists": [%b], "text": "%b", "escaped": "%b"}' % (lists, text, escaped)
    tracemalloc.start()
    try:
        assert len(parse_json(raw, what="text")["text"]) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * size
