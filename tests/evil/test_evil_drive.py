"""Every evil twin in a path of its own, driven: which checks fail, and that nothing else does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.evil.caught import CAUGHT
from tests.evil.driving import REAL, driven, failures, undetermined
from tests.evil.world import World, running_cvm
from verifier.appraisal.verdict import Outcome

pytestmark = pytest.mark.slow


def test_a_path_without_evil_fails_nothing(world: World, tmp_path: Path) -> None:
    verdict = driven(world, tmp_path, node=REAL)
    assert failures(verdict) == {}
    assert undetermined(verdict) == frozenset()
    assert verdict.outcome is Outcome.PARTIAL  # nothing was booted


@pytest.mark.parametrize("name", CAUGHT)
def test_a_twin_is_caught(world: World, tmp_path: Path, name: str) -> None:
    evil, node = CAUGHT[name], dict(CAUGHT[name].node)
    with ExitStack() as stack:
        if evil.beside:
            other = stack.enter_context(running_cvm(world, tmp_path / "other"))
            node["more"] = ("--other", f"{other.address[0]}:{other.address[1]}")
        verdict = driven(world, tmp_path, node=node, replaced=evil.replaced)
    found = failures(verdict)
    assert set(found) == set(evil.checks), found
    assert undetermined(verdict) == evil.undetermined
    assert verdict.outcome is Outcome.FAILED
    for check, got in evil.checks.items():
        assert got in found[check][1]
