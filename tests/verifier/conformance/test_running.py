from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.fixture_cases.tree import FIXTURES
from verifier.conformance.fixture import RULING_CODES, Fixture, Ruling
from verifier.conformance.fixture_folder import read_fixtures
from verifier.conformance.marks import Mark, Marked
from verifier.conformance.running import Adapter, run_fixture

ADAPTERS = Path(__file__).with_name("adapters.py")


def fixture(name: str) -> Fixture:
    (found,) = read_fixtures(FIXTURES, only=name)
    return found


ACCEPTED = fixture("001-accepted-milan-vcek")
REJECTED = fixture("*-snp-policy-debug")
MALFORMED = fixture("*-snp-crl-format")
UNSUPPORTED = fixture("*-snp-report-format-version-6")


def run(word: str, on: Fixture, *, seconds: float = 30, more: tuple[str, ...] = ()) -> Marked:
    return run_fixture(on, Adapter((sys.executable, str(ADAPTERS), word, *more), seconds))


@pytest.mark.parametrize(
    ("word", "on", "mark", "note"),
    [
        ("accept", ACCEPTED, Mark.RIGHT, ""),
        ("reject", REJECTED, Mark.RIGHT, ""),
        ("malformed", MALFORMED, Mark.RIGHT, ""),
        ("unsupported", UNSUPPORTED, Mark.RIGHT, ""),
        ("accept", REJECTED, Mark.UNSAFE, "expected rejected, got accepted"),
        ("accept", MALFORMED, Mark.UNSAFE, "expected malformed, got accepted"),
        ("reject", ACCEPTED, Mark.TOO_STRICT, "expected accepted, got rejected"),
        ("malformed", ACCEPTED, Mark.TOO_STRICT, "expected accepted, got malformed"),
        ("reject", MALFORMED, Mark.INEXACT, "expected malformed, got rejected"),
        ("malformed", REJECTED, Mark.INEXACT, "expected rejected, got malformed"),
        ("reject", UNSUPPORTED, Mark.INEXACT, "expected unsupported, got rejected"),
        ("unsupported", REJECTED, Mark.UNSUPPORTED, "expected rejected, got unsupported"),
        ("unsupported", ACCEPTED, Mark.UNSUPPORTED, "expected accepted, got unsupported"),
        ("names", REJECTED, Mark.INEXACT, "expected to fail: snp.policy.debug; got snp.vmpl"),
    ],
)
def test_an_answer_is_marked(word: str, on: Fixture, mark: Mark, note: str) -> None:
    marked = run(word, on)
    assert (marked.mark, marked.note) == (mark, note)
    assert marked.answer is not None


def test_naming_the_right_check_is_right() -> None:
    assert run("names", fixture("*-snp-vmpl-host")).mark is Mark.RIGHT


@pytest.mark.parametrize(
    ("word", "note"),
    [
        ("lie", "the answer is accepted, the exit code 10"),
        ("crash", "exit code 1: 'ZeroDivisionError: "),
        ("silent", "answer: Expecting value"),
        ("garbage", "answer: Expecting value"),
        ("twice", "answer: Extra data"),
        ("unknown-member", "answer: 'score'"),
        ("other-word", "answer.outcome: 'fine'"),
        ("other-code", "exit code 3"),
        ("killed", "exit code -9"),
        ("long", "an answer of more than 1048576 bytes"),
    ],
)
def test_what_is_no_answer_is_an_error_and_never_right(word: str, note: str) -> None:
    marked = run(word, ACCEPTED)
    assert (marked.mark, marked.answer) == (Mark.ERROR, None)
    assert note in marked.note


def test_an_adapter_that_hangs_is_ended() -> None:
    start = time.monotonic()
    marked = run("hang", ACCEPTED, seconds=0.5)
    assert (marked.mark, marked.note) == (Mark.ERROR, "no answer within 0.5 s")
    assert time.monotonic() - start < 20


def test_an_adapter_that_prints_without_end_is_ended() -> None:
    marked = run("flood", ACCEPTED)
    assert marked.mark is Mark.ERROR
    assert marked.note.startswith("exit code ")


def test_what_an_adapter_has_started_goes_with_it(tmp_path: Path) -> None:
    late = tmp_path / "late"
    assert run("orphan", ACCEPTED, more=(str(late),)).mark is Mark.RIGHT
    time.sleep(1.5)
    assert not late.exists()


def test_the_environment_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "of somebody")
    answer = run("environment", ACCEPTED).answer
    assert answer is not None
    names = answer.reason.split()
    assert {"PATH", "LC_ALL"} <= set(names)
    assert not {"A_TOKEN", "HOME", "USER"} & set(names)


def test_an_adapter_that_cannot_be_started() -> None:
    with pytest.raises(FileNotFoundError):
        run_fixture(ACCEPTED, Adapter(("no-such-adapter",), 1))


def test_every_outcome_has_its_code() -> None:
    assert {str(ruling): code for ruling, code in RULING_CODES.items()} == {
        "accepted": 0,
        "rejected": 10,
        "unsupported": 20,
        "malformed": 30,
    }
    assert set(RULING_CODES) == set(Ruling)
