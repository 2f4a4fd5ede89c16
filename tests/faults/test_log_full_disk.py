"""The operating system itself refuses to write: files may not grow beyond a limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# SIGXFSZ is ignored by Python, so write() fails with EFBIG, as it does with ENOSPC when a disk is
# full: in the middle of a file, in the database, or in its journal.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from log_server.cli import main
sys.argv = ["cvm-log", *sys.argv[1:]]
main()
"""


def _run(*arguments: str | Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    program = ["-m", "log_server.cli"] if limit is None else ["-c", LIMITED.format(limit=limit)]
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("limit", [100, 20_000, 60_000, 150_000])
def test_a_log_survives_a_full_disk(tmp_path: Path, limit: int) -> None:
    root = tmp_path / "log"
    key = _run("init", root, "--origin", "log.test/full").stdout.strip()
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(bytes(50_000))
    assert _run("publish", root, small).returncode == 0
    refused = _run("publish", root, large, limit=limit)
    if limit > 100_000:
        assert refused.returncode == 0, refused.stderr
    else:
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr.startswith("cvm-log: ")
        assert "Traceback" not in refused.stderr
    assert _run("fsck", root, "--vkey", key).returncode == 0
    assert _run("publish", root, small, large).stdout == f"0 {small}\n1 {large}\n"
    assert _run("fsck", root, "--vkey", key).stdout.endswith("sound\n")
