"""Files of private keys: whose they must be, and how long they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.role.secret_file import read_secret
from verifier.errors import PolicyError


def secret(folder: Path, mode: int) -> Path:
    path = folder / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_what_only_its_owner_reads_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(secret(tmp_path, mode), limit=6) == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644])
def test_what_others_may_have_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path, mode)
    with pytest.raises(PolicyError) as caught:
        read_secret(path, limit=6)
    assert caught.value.what == str(path)
    assert caught.value.expected == "a regular file that only its owner can read (mode 0600)"
    assert caught.value.got.startswith("-rw")


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        read_secret(Path("/dev/null"), limit=6)
    assert caught.value.got.startswith("c")


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        read_secret(secret(tmp_path, 0o600), limit=5)
    assert (caught.value.expected, caught.value.got) == ("at most 5 bytes", "more")
