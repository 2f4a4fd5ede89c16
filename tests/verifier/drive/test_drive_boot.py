"""The drive on real boots: QEMU, a built image and its logged release, where they are at hand.

``CVM_AUDIT_DRIVE`` names a folder with ``artifacts/`` (of an image build), ``release/`` (of
``release fetch``), ``policy.toml``, ``platform/`` (of ``pipeline.platform init``) and ``trust/``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.running import ROOT, Ran, cvm_audit
from tests.verifier.drive.deployed import evidence_of
from tests.verifier.drive.test_drive_machine import gone_within
from verifier.cli.judging import load_policy, load_roots
from verifier.drive.artifacts import Artifacts, hash_table, read_artifacts
from verifier.drive.attested_session import SessionEvidence
from verifier.drive.level import Accelerator
from verifier.drive.machine import Boot, Start, booted
from verifier.drive.qemu import Shape
from verifier.drive.sandbox import sandboxed
from verifier.library import NotVerifiedError, verify_bundle

pytestmark = pytest.mark.slow
SECONDS = 120


@pytest.fixture(scope="module")
def given() -> Path:
    folder = os.environ.get("CVM_AUDIT_DRIVE")
    if folder is None:
        pytest.skip("CVM_AUDIT_DRIVE names no folder with an image to boot")
    return Path(folder)


def drive(given: Path, *more: object) -> Ran:
    return cvm_audit(*words(given), *more)


def words(given: Path) -> tuple[object, ...]:
    return (
        *("drive", "--direct", "--release", given / "release", "--artifacts", given / "artifacts"),
        *("--policy", given / "policy.toml", "--platform", given / "platform"),
        *("--trust-root", given / "trust", "--seconds", SECONDS),
    )


def good_boot(given: Path) -> Boot:
    artifacts = read_artifacts(given / "artifacts")
    table, gpa = hash_table(artifacts)
    return Boot(
        artifacts=artifacts,
        table=table,
        table_gpa=gpa,
        shape=Shape(vcpus=1, vcpu_type="EPYC-Milan", memory=512),
        accelerator=Accelerator.TCG,
        entry=(given / "release" / "entry.json").read_bytes(),
        proof=(given / "release" / "entry.tlog-proof").read_bytes(),
        platform=given / "platform",
    )


def test_a_release_boots_answers_and_refuses_every_tamper(given: Path, tmp_path: Path) -> None:
    ran = drive(given, "--tamper", "--bundle", tmp_path / "bundle")
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.startswith("level: emulated-enforced, by ")
    passed = re.findall(r"^pass  (drive\.[a-z_.]+): ", ran.out, re.MULTILINE)
    assert passed == [
        "drive.boot",
        "drive.release",
        "drive.measurement",
        "drive.answer",
        "drive.tamper.kernel",
        "drive.tamper.initrd",
        "drive.tamper.command_line",
        "drive.tamper.no_table",
        "drive.control",
    ]
    assert ran.last.startswith("VERIFIED (simulated platform")
    again = cvm_audit(
        "verify", tmp_path / "bundle", "--policy", given / "policy.toml",
        "--trust-root", given / "trust",
    )  # fmt: skip
    assert again.code == 0
    assert not machines_of(os.getpid())


@pytest.fixture(scope="module")
def two_guests(given: Path) -> Iterator[tuple[int, int]]:
    """Two machines of one release side by side, by their ports."""
    boot = good_boot(given)
    with ExitStack() as stack:
        machines = [stack.enter_context(booted(boot)) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(lambda machine: machine.wait(SECONDS), machines))
        assert [each.start for each in ended] == [Start.READY, Start.READY], ended
        yield machines[0].port, machines[1].port


def verdict_failures(given: Path, evidence: SessionEvidence) -> list[str]:
    now = datetime.now(UTC)
    try:
        verify_bundle(
            evidence.bundle(policy=b"", captured=now),
            policy=load_policy(str(given / "policy.toml")),
            roots=load_roots(given / "trust"),
            now=now,
            nonce=evidence.nonce,
        )
    except NotVerifiedError as error:
        return [each.check for each in error.verdict.findings if each.status == "fail"]
    return []


def test_evidence_of_one_guest_fails_on_the_session_of_another(
    given: Path, two_guests: tuple[int, int]
) -> None:
    ours, other = (evidence_of(port) for port in two_guests)
    assert verdict_failures(given, ours) == []
    assert verdict_failures(given, other) == []
    crossed = replace(ours, answer=other.answer)
    assert verdict_failures(given, crossed) == ["snp.report_data"]


def test_replayed_evidence_of_a_guest_fails(given: Path, two_guests: tuple[int, int]) -> None:
    recorded, fresh = evidence_of(two_guests[0]), evidence_of(two_guests[0])
    replayed = replace(fresh, answer=recorded.answer)
    assert verdict_failures(given, replayed) == ["snp.report_data"]


def test_a_rehashed_tamper_boots_and_serves_nobody(given: Path) -> None:
    # A host that also replaces the table gets past the firmware, and the measurement is another.
    good = good_boot(given)
    changed: Artifacts = replace(good.artifacts, cmdline=good.artifacts.cmdline + b" ")
    with booted(replace(good, artifacts=changed, table=hash_table(changed)[0])) as machine:
        ended = machine.wait(SECONDS)
    assert ended.start is Start.DECLINED
    assert "MEASUREMENT" in ended.words


def test_a_guest_in_a_sandbox_claims_no_more(given: Path) -> None:
    ran = drive(given, "--process")
    assert ran.code == 4, ran.out + ran.err
    assert ran.last.startswith("PARTIAL (simulated platform")
    assert "not proven: release.measurement" in ran.last
    assert ran.out.startswith("level: process, by bwrap\n")
    passed = re.findall(r"^pass  (drive\.[a-z_.]+): ", ran.out, re.MULTILINE)
    assert passed == ["drive.boot", "drive.release", "drive.answer"]
    assert not machines_of(os.getpid())


def test_a_guest_in_a_sandbox_has_no_network_but_its_own(given: Path) -> None:
    with sandboxed(good_boot(given)) as guest:
        assert guest.wait(SECONDS).start is Start.READY
        (bwrap,) = [pid for pid in machines_of(os.getpid()) if "bwrap" in command_line(pid)]
        (inside,) = Path(f"/proc/{bwrap}/task/{bwrap}/children").read_text().split()
        namespaces = [Path(f"/proc/{pid}/ns/net").readlink() for pid in (inside, "self")]
        interfaces = Path(f"/proc/{inside}/net/dev").read_text().splitlines()[2:]
    assert namespaces[0] != namespaces[1]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


@pytest.mark.parametrize("how", [(), ("--process",)])
def test_a_killed_driver_leaves_no_machine(given: Path, how: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "verifier", *map(str, words(given)), *how]
    # What it does leave is its folder. Where we are root the guest is nobody, who has to get there.
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"TMPDIR": place}, stderr=subprocess.DEVNULL
        ) as driving,
    ):
        Path(place).chmod(0o711)
        deadline = time.monotonic() + 60
        while len(machines_of(driving.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        machines = machines_of(driving.pid)
        assert len(machines) == 2
        driving.send_signal(signal.SIGKILL)
        assert [gone_within(each, 10) for each in machines] == [True, True]


def machines_of(driver: int) -> list[int]:
    """Processes that ``driver`` started for a machine: QEMU, and the simulated processor."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            line = command_line(path.name)
        except OSError:
            continue
        if parent == driver and "/cvm-audit-" in line:
            found.append(int(path.name))
    return found


def command_line(process_id: int | str) -> str:
    return Path(f"/proc/{process_id}/cmdline").read_bytes().decode("utf-8", "replace")
