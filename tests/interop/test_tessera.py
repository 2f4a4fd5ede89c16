"""Our log under the tools of another implementation, where they are at hand.

The programs are Tessera's own ``fsck`` and ``hammer`` (Go modules of transparency-dev/tessera);
their paths come from the environment, and without them the tests skip by name.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.running import cvm_log, served

ORIGIN = "interop.invalid/log"


def program(variable: str) -> str:
    path = os.environ.get(variable, "")
    if not path:
        pytest.skip(f"{variable} names no program")
    return path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def fsck(storage: str, key: Path) -> str:
    done = run(
        program("CVM_AUDIT_TESSERA_FSCK"), f"--storage_url={storage}", f"--public_key={key}",
        "--ui=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_tessera_examines_our_log(tmp_path: Path) -> None:
    program("CVM_AUDIT_TESSERA_FSCK")
    key = tmp_path / "vkey"
    key.write_text(cvm_log("init", tmp_path / "log", "--origin", ORIGIN, "--ml-dsa").out)
    entries = [tmp_path / f"entry-{number}" for number in range(300)]
    for path in entries:
        path.write_text(path.name)
    assert cvm_log("publish", tmp_path / "log", *entries).code == 0
    assert "log with size 300 and root" in fsck(f"file://{tmp_path}/log/public/", key)
    with served(tmp_path / "log") as url:
        assert "log with size 300 and root" in fsck(f"{url}/", key)


def test_tessera_hammers_our_log(tmp_path: Path) -> None:
    hammer = program("CVM_AUDIT_TESSERA_HAMMER")
    vkey = cvm_log("init", tmp_path / "log", "--origin", ORIGIN).out.strip()
    with served(tmp_path / "log") as url:
        done = run(
            hammer, f"--log_url={url}/", f"--log_public_key={vkey}", "--num_writers=64",
            "--max_write_ops=5000", "--leaf_write_goal=5000", "--max_runtime=60s",
            "--num_readers_random=2", "--num_readers_full=1", "--show_ui=false",
            "--dup_chance=0.05",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Reached tree size goal" in done.stderr
        examined = cvm_log("fsck", url, "--vkey", vkey)
    assert examined.code == 0
    size = re.search(r"size (\d+)", examined.out)
    assert size is not None
    assert len(size[1]) >= 4
