from __future__ import annotations

import itertools

import pytest

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, FindingClass, Rejected, Status, compared, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.verdict import EXIT_CODES, Outcome, outcome_of
from verifier.errors import FetchError, ParseError, UnsupportedError, VerificationError

ONE, TWO = "log.inclusion", "release.role"


def made(check: str, status: Status) -> Finding:
    return finding(check, status, expected="e", got="g", source="s")


@pytest.mark.parametrize(
    ("statuses", "required", "not_proven", "outcome"),
    [
        ((Status.PASS, Status.PASS), (ONE, TWO), (), Outcome.VERIFIED),
        ((Status.PASS, Status.PASS), (ONE, TWO), (ONE,), Outcome.PARTIAL),
        ((Status.PASS, Status.FAIL), (ONE,), (), Outcome.FAILED),
        ((Status.PASS, Status.FAIL), (ONE, TWO), (ONE,), Outcome.FAILED),
        ((Status.SKIP, Status.FAIL), (ONE, TWO), (), Outcome.FAILED),
        ((Status.PASS, Status.SKIP), (ONE, TWO), (), Outcome.NOT_DETERMINED),
        ((Status.PASS, Status.ERROR), (ONE, TWO), (ONE,), Outcome.NOT_DETERMINED),
        ((Status.PASS, Status.INFO), (ONE, TWO), (), Outcome.NOT_DETERMINED),
        ((Status.PASS, Status.SKIP), (ONE,), (), Outcome.VERIFIED),
        ((Status.PASS, Status.PASS), (), (), Outcome.NOT_DETERMINED),
    ],
)
def test_outcome(
    statuses: tuple[Status, Status],
    required: tuple[str, ...],
    not_proven: tuple[str, ...],
    outcome: Outcome,
) -> None:
    findings = tuple(made(c, s) for c, s in zip((ONE, TWO), statuses, strict=True))
    assert outcome_of(findings, required=required, not_proven=not_proven) is outcome


def test_nothing_but_a_pass_of_every_required_check_is_verified() -> None:
    for statuses in itertools.product([None, *Status], repeat=2):
        findings = tuple(
            made(c, s) for c, s in zip((ONE, TWO), statuses, strict=True) if s is not None
        )
        outcome = outcome_of(findings, required=(ONE, TWO), not_proven=())
        assert (outcome is Outcome.VERIFIED) is (statuses == (Status.PASS, Status.PASS))


def test_a_check_that_passed_once_and_was_skipped_once_is_not_determined() -> None:
    findings = (made(ONE, Status.PASS), made(ONE, Status.SKIP))
    assert outcome_of(findings, required=(ONE,), not_proven=()) is Outcome.NOT_DETERMINED


def test_no_finding_at_all_is_not_determined() -> None:
    assert outcome_of((), required=(ONE,), not_proven=()) is Outcome.NOT_DETERMINED


def test_exit_codes_are_the_frozen_ones() -> None:
    assert [EXIT_CODES[outcome] for outcome in Outcome] == [0, 1, 3, 4]


def test_only_a_registered_check_makes_a_finding() -> None:
    with pytest.raises(KeyError):
        made("log.luck", Status.PASS)


def test_a_finding_knows_its_clause() -> None:
    one = made(ONE, Status.PASS)
    assert (one.title, one.spec) == (CHECKS[ONE].title, CHECKS[ONE].spec)
    assert all(check.id == name and check.spec for name, check in CHECKS.items())


def test_a_hint_is_only_given_to_a_failure() -> None:
    def hint(*, holds: bool) -> str:
        return compared(ONE, holds=holds, expected="e", got="g", source="s", hint="h").hint

    assert (hint(holds=True), hint(holds=False)) == ("", "h")


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (ParseError, FindingClass.INPUT),
        (UnsupportedError, FindingClass.INPUT),
        (VerificationError, FindingClass.SECURITY),
    ],
)
def test_the_ledger_turns_a_refusal_into_a_failure(
    error: type[ParseError], cls: FindingClass
) -> None:
    def step() -> int:
        raise error("the thing", expected="this", got="that", hint="look")

    ledger = Ledger()
    assert ledger.attempt(ONE, step, expected="", got=str, source="file") is None
    (only,) = ledger.findings
    assert (only.status, only.cls, only.expected) == (Status.FAIL, cls, "this")
    assert (only.got, only.source, only.hint) == ("the thing: that", "file", "look")


def test_the_ledger_lets_the_weather_and_bugs_through() -> None:
    def weather() -> int:
        raise FetchError("x", expected="", got="")

    with pytest.raises(FetchError):
        Ledger().attempt(ONE, weather, expected="", got=str, source="")
    with pytest.raises(ZeroDivisionError):
        Ledger().attempt(ONE, lambda: 1 // 0, expected="", got=str, source="")


def test_a_door_that_stays_shut_gives_all_its_findings() -> None:
    shut = (made(TWO, Status.PASS), made(ONE, Status.FAIL))

    def step() -> int:
        raise Rejected("door", shut)

    ledger = Ledger()
    assert ledger.enter(step, findings_of=lambda _: ()) is None
    assert ledger.findings == shut
    with pytest.raises(Rejected, match=r"door: log\.inclusion: g"):
        step()
