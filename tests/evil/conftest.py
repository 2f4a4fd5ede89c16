"""The world of the evil twins, made once."""

from __future__ import annotations

import pytest

from tests.evil.world import World, make_world
from tests.pipeline.roles import make_keys


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("evil")
    return make_world(folder, make_keys(folder / "keys"))
