"""``cvm-audit drive`` up to where a machine would start; whole drives: tests/verifier/drive."""

from __future__ import annotations

import json
import shlex
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests import making
from tests.running import ROOT, Ran, cvm_audit
from tests.verifier.drive.deployed import policy_text, write_platform
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


def test_each_way_needs_what_it_needs(given: Path) -> None:
    ran = drive(given)
    assert ran.code == 2
    assert "a drive through the path needs --keys, --logged-keys" in ran.err
    ran = cvm_audit("drive", "--direct", "--release", given / "release", "--policy", "x")
    assert ran.code == 2
    assert "--direct needs --artifacts, --platform" in ran.err
    document = given / "policy.toml"
    ran = cvm_audit(
        "drive", "--release", given / "release", "--policy", "x", "--deployment", document
    )
    assert ran.code == 2
    assert "--deployment needs --accounts" in ran.err


def test_each_way_refuses_what_it_would_not_look_at(given: Path) -> None:
    document = given / "policy.toml"
    for more, said in (
        (("--direct", "--keys", given), "--direct has no use for --keys"),
        (("--direct", "--deployment", document), "--direct has no use for --deployment"),
        (
            ("--deployment", document, "--accounts", document, "--process"),
            "--deployment has no use for --artifacts, --platform, --process",
        ),
        (
            ("--keys", given, "--logged-keys", given, "--accounts", document),
            "a drive through the path has no use for --accounts",
        ),
    ):
        ran = drive(given, *more)
        assert ran.code == 2
        assert said in ran.err


def test_a_vcpu_type_without_signature_is_refused(given: Path) -> None:
    ran = drive(given, "--direct", "--vcpu-type", "host")
    assert ran.code == 2
    assert "--vcpu-type is one of" in ran.err


def test_a_nonce_of_ones_own_is_refused(given: Path) -> None:
    ran = drive(given, "--direct", "--nonce", "00" * 32)
    assert ran.code == 2
    assert "a drive sends a new one of its own" in ran.err


def test_a_bundle_that_is_there_is_not_driven_for(given: Path) -> None:
    ran = drive(given, "--direct", "--bundle", given)
    assert ran.code == 2
    assert "it exists already" in ran.err


def document(ran: Ran) -> dict[str, Any]:
    read = json.loads(ran.out)
    schema = json.loads((ROOT / "schemas" / "verdict.v1.schema.json").read_text("utf-8"))
    jsonschema.validate(read, schema, cls=jsonschema.Draft202012Validator)
    assert isinstance(read, dict)
    return read


def of(read: dict[str, Any], check: str) -> dict[str, Any]:
    (found,) = [each for each in read["findings"] if each["check"] == check]
    assert isinstance(found, dict)
    return found


def test_other_artifacts_than_the_logged_ones_are_not_booted(given: Path) -> None:
    other = ARTIFACTS.kernel + b"x"
    (given / "artifacts" / "kernel.bin").write_bytes(other)
    ran = drive(given, "--direct", "--format", "json")
    assert ran.code == 1
    read = document(ran)
    assert (read["verdict"], read["level"], read["target"]["kind"]) == ("FAILED", None, "drive")
    found = of(read, "drive.artifacts")
    assert found["status"] == "fail"
    assert found["expected"] == sha256(ARTIFACTS.kernel).hexdigest()
    assert found["got"] == f"kernel to boot: {sha256(other).hexdigest()}"
    assert of(read, "drive.boot")["status"] == "skip"
    assert "booting" not in ran.err


def test_garbage_as_a_release_is_a_failure_and_no_weather(given: Path) -> None:
    (given / "release" / "entry.json").write_bytes(b"\xff")
    ran = drive(given, "--direct", "--format", "json")
    assert ran.code == 1
    assert of(document(ran), "drive.artifacts")["class"] == "input"


@pytest.mark.parametrize(
    ("how", "program", "package"),
    [((), "qemu-system-x86_64", "qemu-system-x86"), (("--process",), "bwrap", "bubblewrap")],
)
def test_a_machine_without_programs_determines_nothing(
    given: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    how: tuple[str, ...],
    program: str,
    package: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bundle, verdict = tmp_path / "bundle", tmp_path / "verdict.json"
    ran = drive(given, "--direct", *how, "--bundle", bundle, "-o", f"json={verdict}")
    assert ran.code == 3
    assert ran.out.splitlines()[1] == "level    none"
    assert f"got:      {program}: it is not installed" in ran.out
    assert f"hint:     install the Debian package {package}: apt-get install {package}" in ran.out
    assert ran.last.startswith("NOT DETERMINED (level none); 1 passed; ")
    assert f"{bundle} is not written: no evidence came" in ran.err
    assert not bundle.exists()
    read = json.loads(verdict.read_text())
    assert (read["verdict"], read["exitCode"]) == ("NOT DETERMINED", 3)


@pytest.mark.slow
def test_a_boot_that_takes_long_says_that_it_goes_on(
    given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_platform(given / "simulated")
    silent = '[ "$1" = --version ] && echo "QEMU emulator version 7.2.0" || exec /bin/sleep 7'
    with tempfile.TemporaryDirectory() as programs:
        # Where we are root QEMU is run by nobody, who has to get there.
        Path(programs).chmod(0o755)
        qemu = Path(programs) / "qemu-system-x86_64"
        qemu.write_text(f"#!/bin/sh\n{silent}\n")
        qemu.chmod(0o755)
        monkeypatch.setenv("PATH", programs)
        words = ("--direct", "--no-tamper", "--seconds", "60")
        ran = drive(given, *words, "--platform", given / "simulated")
    assert ran.code == 3
    assert "cvm-audit: tcg: booting: goes on, 5 s" in ran.err.splitlines()


def test_the_drive_can_be_repeated_as_it_was(
    given: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    crl = given / "list.crl"
    crl.write_bytes(b"a list")
    ran = drive(given, "--direct", "--no-tamper", "--process", "--crl", crl, "--vcpus", 2)
    _, _, command = ran.last.partition("re-verify: ")
    for words in (
        "drive --direct --release",
        f"--crl {crl}",
        "--vcpus 2 --vcpu-type EPYC-Milan --memory 512 --seconds 90",
        "--process --no-tamper",
    ):
        assert words in command
    again = cvm_audit(
        *shlex.split(command.partition(" drive ")[1] + command.partition(" drive ")[2])
    )
    assert again.code == ran.code == 3
    assert again.last == ran.last


def test_what_is_left_out_is_named(
    given: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = drive(given, "--direct", "--no-tamper", "--format", "json")
    read = document(ran)
    assert [check for check in read["notProven"] if "tamper" in check] == [
        "drive.tamper.kernel",
        "drive.tamper.initrd",
        "drive.tamper.command_line",
        "drive.tamper.no_table",
    ]
    assert set(read["notProven"]) & set(read["required"]) == set()
    assert of(read, "drive.control")["got"].startswith("not checked: --no-tamper")
