from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.making import changed, statement
from verifier.errors import ParseError
from verifier.release.cvm_release import CvmRelease, TcbFloor, parse_cvm_release
from verifier.release.release_statement import encode_cvm_release
from verifier.release.statement import parse_statement


def parsed(document: dict[str, Any]) -> CvmRelease:
    return parse_cvm_release(parse_statement(json.dumps(document).encode()))


RELEASE = parsed(statement())


def test_what_is_read_is_written_again() -> None:
    assert json.loads(encode_cvm_release(RELEASE)) == statement()
    located = changed(statement(), "predicate/artifacts/0/locations", ["https://a.invalid/x", "b"])
    assert json.loads(encode_cvm_release(parsed(located))) == located


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"role": "Summariser"}, "statement.predicate.role"),
        ({"version": ""}, "statement.predicate.version"),
        ({"security_version": 2**32}, "statement.predicate.securityVersion"),
        ({"artifacts": ()}, "statement.subject"),
        ({"artifacts": RELEASE.artifacts * 2}, "statement.subject"),
        ({"measurements": ()}, "statement.predicate.measurements"),
        ({"measurements": RELEASE.measurements * 2}, "statement.predicate.measurements"),
        ({"not_after": RELEASE.not_after + timedelta(microseconds=1)}, "statement"),
        (
            {
                "expected_evidence": replace(
                    RELEASE.expected_evidence, minimum_tcb=(TcbFloor("Rome", ()),)
                )
            },
            "statement.predicate.expectedEvidence.minimumTcb.Rome",
        ),
    ],
)
def test_what_no_judge_could_read_is_not_written(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ParseError) as caught:
        encode_cvm_release(replace(RELEASE, **changes))
    assert caught.value.what == what


@pytest.mark.parametrize("name", ["a/../b", "a/./b", "a//b", "a/", "a/.b", "a" * 201, "/a", ".a"])
def test_the_name_of_an_artifact_is_that_of_a_file(name: str) -> None:
    first, *others = RELEASE.artifacts
    with pytest.raises(ParseError) as caught:
        encode_cvm_release(replace(RELEASE, artifacts=(replace(first, name=name), *others)))
    assert caught.value.what.endswith(".name")
