"""What a verifying client loads: nothing of the record, the server, or network trust roots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.verify_cold import write_case
from tests.architecture.source import ROOT, words

# What one judgement of a bundle does not need; each was once loaded all the same.
UNNEEDED_BY_VERIFY = (
    *words("asyncio http jsonschema multiprocessing requests ssl unittest urllib3"),
    "verifier.appraisal.explain_measurement",
    "verifier.cli.collecting",
    "verifier.cli.publishing",
    "verifier.conformance",
    "verifier.fetch",
    "verifier.measurement",
    "verifier.release.sigstore_bundle",
    "verifier.report.advisories_page",
    "verifier.report.explanations",
    "verifier.report.html",
    "verifier.report.sarif",
)
LAZY = words(
    """
    OpenSSL h11 httptools log_server pipeline prometheus_client psycopg pyhpke sigstore sqlalchemy
    starlette uvicorn uvloop
    """
)


def loaded(*arguments: str) -> frozenset[str]:
    """Top-level names that ``python ARGUMENTS`` imports."""
    return frozenset(name.split(".")[0] for name in modules(*arguments))


def modules(*arguments: str) -> frozenset[str]:
    """Every module that ``python ARGUMENTS`` imports, from the interpreter's own listing."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return frozenset(line.rsplit("|", 1)[-1].strip() for line in lines)


@pytest.mark.parametrize(
    "arguments", [("-m", "verifier", "--version"), ("-c", "import verifier.cli")]
)
def test_the_judge_starts_without_the_record(arguments: tuple[str, ...]) -> None:
    names = loaded(*arguments)
    assert "verifier" in names
    assert not LAZY & names


def test_a_cold_judgement_loads_little(tmp_path: Path) -> None:
    command = write_case(tmp_path)
    assert command[0] == sys.executable
    names = modules(*command[1:])
    assert {"verifier.appraisal.appraise_release", "verifier.report.text"} <= names
    loaded_all_the_same = {
        name for name in names for room in UNNEEDED_BY_VERIFY if f"{name}.".startswith(f"{room}.")
    }
    assert not loaded_all_the_same
    assert not LAZY & {name.split(".")[0] for name in names}
    # 325 when this was written. What makes it grow costs every run; `make bench` shows how much.
    assert len(names) < 360


def test_the_package_itself_loads_nothing() -> None:
    names = {name for name in modules("-c", "import verifier") if name.startswith("verifier")}
    assert names == {"verifier"}


def test_the_driver_of_postgresql_is_loaded_for_its_url_only(tmp_path: Path) -> None:
    program = ("-m", "log_server.cli")
    names = loaded(*program, "init", str(tmp_path / "log"), "--origin", "log.test/lazy")
    assert "sqlalchemy" in names
    assert "psycopg" not in names
    assert "psycopg" not in loaded("-c", "import log_server.cli.serve, log_server.shared.folder")
    url = "postgresql+psycopg:///log?host=/nowhere"
    opening = f"""
from log_server.errors import StorageError
from log_server.store.database_url import parse_database_url
from log_server.store.postgresql_session import PostgresqlSession
try:
    PostgresqlSession(parse_database_url({url!r}), role="test")
except StorageError:
    pass
"""
    assert "psycopg" in loaded("-c", opening)


def test_a_loaded_package_is_seen() -> None:
    assert "sqlalchemy" in loaded("-c", "import sqlalchemy")
    assert "log_server" in loaded("-c", "import log_server")
