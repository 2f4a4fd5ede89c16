from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.verifier.rebuild.toy_release import ToyRelease, make_toy_release


@pytest.fixture(scope="session")
def made_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_release(tmp_path_factory.mktemp("toy")).root


@pytest.fixture
def toy(made_toy: Path, tmp_path: Path) -> ToyRelease:
    """A toy release of the test's own, which reproduces."""
    root = tmp_path / "toy"
    shutil.copytree(made_toy, root)
    fresh = ToyRelease(root)
    fresh.state()
    return fresh
