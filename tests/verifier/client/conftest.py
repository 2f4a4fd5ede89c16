"""One path for all tests that leave it as it is: seven processes take seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.roles import PathKeys, make_keys
from tests.verifier.client.walked import Walked, walked


@pytest.fixture(scope="session")
def path_keys(tmp_path_factory: pytest.TempPathFactory) -> PathKeys:
    return make_keys(tmp_path_factory.mktemp("client-keys") / "keys")


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory, path_keys: PathKeys) -> Iterator[Walked]:
    with walked(tmp_path_factory.mktemp("walked"), path_keys) as found:
        yield found
