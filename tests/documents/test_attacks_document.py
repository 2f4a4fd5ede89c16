from __future__ import annotations

import subprocess
import sys

import pytest

from tests.documents.attacks import GROUPS, Attack
from tests.documents.attacks_document import attacks_document
from tests.running import ROOT
from verifier.appraisal.checks import CHECKS

ATTACKS = [attack for group in GROUPS.values() for attack in group]


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "attacks.md").read_text("utf-8")
    command = "python -m tests.documents.attacks_document > docs/attacks.md"
    assert written == attacks_document(), command


def test_every_attack_on_session_and_path_is_there_once() -> None:
    assert [attack.number for attack in ATTACKS] == [*range(38, 53), *range(77, 90)]
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_every_attack_has_tests_and_says_what_is_left(attack: Attack) -> None:
    assert attack.tests
    assert len(set(attack.tests)) == len(attack.tests)
    assert set(attack.checks) <= set(CHECKS)
    assert attack.unproven.endswith(".")


@pytest.fixture(scope="module")
def collected() -> frozenset[str]:
    """The tests that pytest finds in the files that are named, each also without its parameters."""
    files = sorted({test.partition("::")[0] for attack in ATTACKS for test in attack.tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {line for line in done.stdout.splitlines() if "::" in line}
    return frozenset(found | {line.partition("[")[0] for line in found})


def test_every_test_that_is_named_is_collected(collected: frozenset[str]) -> None:
    named = {test for attack in ATTACKS for test in attack.tests}
    assert sorted(named - collected) == []


def test_a_test_that_is_not_there_would_be_seen(collected: frozenset[str]) -> None:
    some = ATTACKS[0].tests[0]
    assert some in collected
    assert f"{some}_" not in collected


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for block in attacks_document().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1
