from __future__ import annotations

import pytest

from tests.running import cvm_audit
from verifier.appraisal.checks import CHECKS


def test_every_check_is_explained() -> None:
    for check in CHECKS.values():
        ran = cvm_audit("explain", check.id)
        assert (ran.code, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert lines[:2] == [check.id, check.title]
        assert lines[lines.index("spec") + 1] == f"  {check.spec}"
        assert lines[lines.index("does not prove") + 1].startswith("  ")
        assert lines[lines.index("attacks") + 1].startswith("  ATK-")


def test_a_page_in_full() -> None:
    ran = cvm_audit("explain", "evidence.platform")
    headings = [line for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert headings[2:] == [
        "proves",
        "does not prove",
        "fails when",
        "what to do",
        "spec",
        "attacks",
    ]


def test_the_list_has_every_check_under_a_heading() -> None:
    ran = cvm_audit("explain")
    assert ran.code == 0
    listed = [line.split()[0] for line in ran.out.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(CHECKS)
    assert "\nthe log\n  log.proof.format " in ran.out
    assert ran.last == "one of them in full: cvm-audit explain CHECK"


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("log.inclusoin", "log.inclusion"),
        ("inclusion", "log.inclusion"),
        ("snp.vek", "snp.vek.format, snp.vek.issuer, snp.vek.signature, snp.vek.validity"),
    ],
)
def test_an_unknown_check_is_usage_and_names_what_is_near(asked: str, near: str) -> None:
    ran = cvm_audit("explain", asked)
    assert (ran.code, ran.out) == (2, "")
    first = ran.err.splitlines()[0]
    assert first.startswith(
        f"cvm-audit: Invalid value for CHECK: no check is called '{asked}'; near: {near}"
    )


def test_nothing_near_is_no_hint_and_foreign_text_is_escaped() -> None:
    ran = cvm_audit("explain", "\x1b[2Kzzz")
    assert ran.code == 2
    assert "near:" not in ran.err
    assert "\x1b" not in ran.err
