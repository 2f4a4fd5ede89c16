"""Keys of the private path, made once a session: an RSA key costs a second."""

from __future__ import annotations

import pytest

from tests.pipeline.roles import PathKeys, make_keys


@pytest.fixture(scope="session")
def path_keys(tmp_path_factory: pytest.TempPathFactory) -> PathKeys:
    return make_keys(tmp_path_factory.mktemp("path") / "keys")
