"""Kernel and firmware of the lock in this tree, compiled twice: minutes, and the same bytes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.pipeline.image.variations import copy_source

VARIABLE = "CVM_AUDIT_FROM_SOURCE"
COMPILED = ("firmware.fd", "kernel-config.txt", "kernel.bin")
SECONDS = 3600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"no inputs: set {VARIABLE}"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed"),
]


@pytest.fixture
def base() -> Iterator[Path]:
    # Not below pytest's folder, which is closed to the other user.
    folder = Path(tempfile.mkdtemp(prefix="cvm-compile-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def built(base: Path, folder: Path, user: str | None, umask: int) -> dict[str, str]:
    """The digests of what a build in the new ``folder`` compiles."""
    folder.mkdir(parents=True)
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    command = [sys.executable if user is None else "/usr/bin/python3", "-m", "pipeline.image"]
    command += ["build", "--from-source", "--offline", "--store", os.environ[VARIABLE]]
    command += ["-o", str(folder / "image"), "--policy", str(base / "guest-policy.json")]
    done = subprocess.run(
        command,
        cwd=base / "tree",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        umask=umask,
        user=user,
        group="nogroup" if user else None,
        extra_groups=[] if user else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "NOT compiled" not in done.stderr
    assert [path.name for path in folder.iterdir()] == ["image"]
    return {name: sha256((folder / "image" / name).read_bytes()).hexdigest() for name in COMPILED}


def test_they_are_the_same_in_two_folders_and_for_two_users(base: Path) -> None:
    (base / "tree").mkdir()
    copy_source(ROOT, base / "tree")
    (base / "guest-policy.json").write_bytes(b'{"schema": "cvm-audit/guest-policy/v1"}\n')
    first = built(base, base / "first", None, 0o022)
    user = "nobody" if os.getuid() == 0 and Path("/usr/bin/python3").exists() else None
    second = built(base, base / "the other's folder", user, 0o027)
    assert first == second
