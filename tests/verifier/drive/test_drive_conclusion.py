"""Drives that come to their verdict before a machine does: nothing is raised, all is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests import making
from tests.ovmf_image import build_ovmf
from tests.verifier.drive.deployed import policy
from tests.verifier.drive.test_drive_machine import ARTIFACTS, SHAPE
from verifier.appraisal.drive.appraise_drive import left_out, required_of_drive
from verifier.appraisal.drive.driven import Way
from verifier.appraisal.findings import FindingClass, Status
from verifier.appraisal.verdict import Outcome
from verifier.drive.artifacts import FILES, Artifacts
from verifier.drive.direct import Drive, Plan, drive_direct


def released(artifacts: Artifacts) -> bytes:
    document = making.statement(
        artifacts=[
            {"name": name, "role": role, "size": len(content), "locations": []}
            for (role, content), name in zip(
                artifacts.by_role().items(), FILES.values(), strict=True
            )
        ]
    )
    document["subject"] = [
        {"name": name, "digest": {"sha256": sha256(content).hexdigest()}}
        for name, content in zip(FILES.values(), artifacts.by_role().values(), strict=True)
    ]
    return making.entry(document)


def plan(platform: Path, **changes: Any) -> Plan:
    entry = released(ARTIFACTS)
    whole = Plan(
        artifacts=ARTIFACTS,
        entry=entry,
        proof=making.Log((entry,)).proof(0),
        shape=SHAPE,
        platform=platform,
        policy=policy(),
        policy_text=b"",
        crl=None,
        roots=(),
        trusted_root=None,
        now=datetime(2026, 11, 21, tzinfo=UTC),
        seconds=1,
        process=False,
        tamper=True,
    )
    return replace(whole, **changes)


def driven(made: Plan) -> tuple[Drive, list[str]]:
    said: list[str] = []
    return drive_direct(made, say=said.append), said


def only(drive: Drive, status: Status) -> list[tuple[str, str]]:
    return [(each.check, each.got) for each in drive.verdict.findings if each.status is status]


@pytest.mark.parametrize("process", [False, True])
def test_a_host_without_programs_determines_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    drive, said = driven(plan(tmp_path, process=process))
    program, package = (
        ("bwrap", "bubblewrap") if process else ("qemu-system-x86_64", "qemu-system-x86")
    )
    assert drive.verdict.outcome is Outcome.NOT_DETERMINED
    assert only(drive, Status.ERROR) == [("drive.boot", f"{program}: it is not installed")]
    (found,) = [each for each in drive.verdict.findings if each.status is Status.ERROR]
    assert found.cls is FindingClass.INFRASTRUCTURE
    assert found.hint == f"install the Debian package {package}: apt-get install {package}"
    assert (drive.verdict.level, drive.bundle) == ("", {})
    assert said[-1].endswith(": it is not installed")


@pytest.mark.parametrize(
    "version", ["#!/bin/sh\nexit 1", "#!/bin/sh\necho QEMU emulator version seven", "no program"]
)
def test_a_qemu_of_unknown_version_determines_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(version)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    drive, _ = driven(plan(tmp_path))
    assert drive.verdict.outcome is Outcome.NOT_DETERMINED
    ((check, got),) = only(drive, Status.ERROR)
    assert check == "drive.boot"
    assert got.startswith(("QEMU's version: ", f"{program}: OSError"))


@pytest.mark.parametrize(
    ("changes", "expected", "cls"),
    [
        (
            {"artifacts": replace(ARTIFACTS, kernel=ARTIFACTS.kernel + b"x")},
            sha256(ARTIFACTS.kernel).hexdigest(),
            FindingClass.SECURITY,
        ),
        ({"entry": making.entry()}, "01" * 32, FindingClass.SECURITY),
        ({"entry": b"{}"}, "the member", FindingClass.INPUT),
    ],
)
def test_what_is_not_released_is_not_booted(
    tmp_path: Path, changes: dict[str, Any], expected: str, cls: FindingClass
) -> None:
    drive, said = driven(plan(tmp_path, **changes))
    assert said == []
    assert (drive.verdict.outcome, drive.verdict.level) == (Outcome.FAILED, "")
    (found,) = [each for each in drive.verdict.findings if each.status is Status.FAIL]
    assert (found.check, found.cls) == ("drive.artifacts", cls)
    assert expected in found.expected
    assert found.got
    assert not only(drive, Status.PASS)
    skipped = dict(only(drive, Status.SKIP))
    assert skipped["drive.boot"] == "not checked: the drive ended before"
    assert skipped["snp.report.signature"] == "not checked: no evidence came"


def test_released_artifacts_that_no_machine_boots_are_a_failure(tmp_path: Path) -> None:
    # Not weather: whoever releases what cannot be booted must not be able to reach exit 3.
    artifacts = replace(ARTIFACTS, firmware=build_ovmf(hash_table=None))
    made = plan(tmp_path, artifacts=artifacts, entry=released(artifacts))
    drive, _ = driven(made)
    assert drive.verdict.outcome is Outcome.FAILED
    assert only(drive, Status.FAIL) == [("drive.boot", "firmware: no address")]


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("tamper", [False, True])
def test_without_a_measured_boot_nothing_can_be_verified(
    tmp_path: Path, process: bool, tamper: bool
) -> None:
    # Whoever reads the last line or the exit code alone must not take a program for a launch.
    made = plan(tmp_path, process=process, tamper=tamper)
    unproven = left_out(made.scope(Way.DIRECT))
    assert ("release.measurement" in unproven) == process
    assert ("drive.measurement" in unproven) == process
    assert ("drive.tamper.kernel" in unproven) == (process or not tamper)
    assert ("drive.refuses_unproven" in unproven) == (not tamper)
    assert set(unproven) & set(required_of_drive(made.scope(Way.DIRECT))) == set()
    assert (unproven == ()) == (tamper and not process)
