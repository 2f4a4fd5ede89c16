"""``cvm-audit drive`` up to where a machine would start; whole drives: tests/verifier/drive."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tests import making
from tests.running import Ran, cvm_audit
from tests.verifier.drive.deployed import policy_text
from tests.verifier.drive.test_drive_machine import ARTIFACTS
from verifier.drive.artifacts import FILES


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A release of four small files, which nothing boots."""
    roles = ARTIFACTS.by_role()
    for folder in ("artifacts", "release", "platform"):
        (tmp_path / folder).mkdir()
    for role, name in FILES.items():
        (tmp_path / "artifacts" / name).write_bytes(roles[role])
    document = making.statement(
        artifacts=[
            {"name": name, "role": role, "size": len(roles[role]), "locations": []}
            for role, name in FILES.items()
        ]
    )
    document["subject"] = [
        {"name": name, "digest": {"sha256": sha256(roles[role]).hexdigest()}}
        for role, name in FILES.items()
    ]
    entry = making.entry(document)
    (tmp_path / "release" / "entry.json").write_bytes(entry)
    (tmp_path / "release" / "entry.tlog-proof").write_bytes(making.Log((entry,)).proof(0))
    (tmp_path / "policy.toml").write_bytes(policy_text())
    return tmp_path


def drive(given: Path, *more: object) -> Ran:
    return cvm_audit(
        "drive", "--release", given / "release", "--artifacts", given / "artifacts",
        "--policy", given / "policy.toml", "--platform", given / "platform", *more,
    )  # fmt: skip


def test_there_is_only_the_direct_way(given: Path) -> None:
    ran = drive(given)
    assert ran.code == 2
    assert "--direct is the only way so far" in ran.err


def test_a_vcpu_type_without_signature_is_refused(given: Path) -> None:
    ran = drive(given, "--direct", "--vcpu-type", "host")
    assert ran.code == 2
    assert "--vcpu-type is one of" in ran.err


def test_other_artifacts_than_the_logged_ones_are_not_booted(given: Path) -> None:
    (given / "artifacts" / "kernel.bin").write_bytes(ARTIFACTS.kernel + b"x")
    ran = drive(given, "--direct")
    assert ran.code == 1
    assert ran.out == ""
    assert f"kernel to boot: {sha256(ARTIFACTS.kernel + b'x').hexdigest()}" in ran.err
    assert "booting" not in ran.err


def test_a_machine_without_qemu_determines_nothing(
    given: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = drive(given, "--direct")
    assert ran.code == 3
    assert ran.out == ""
    assert "qemu-system-x86_64: it is not installed" in ran.err


def test_a_sandbox_has_no_firmware_to_test(given: Path) -> None:
    ran = drive(given, "--direct", "--process", "--tamper")
    assert ran.code == 2
    assert "--tamper needs a firmware that could refuse" in ran.err


def test_a_machine_without_bubblewrap_determines_nothing(
    given: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = drive(given, "--direct", "--process")
    assert ran.code == 3
    assert "bwrap: it is not installed" in ran.err
