"""The drive on real boots, where QEMU and the inputs of the image are at hand."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deployment import LoggedImage
from tests.running import Ran, cvm_audit
from verifier.appraisal.drive.appraise_drive import required_of_drive
from verifier.appraisal.drive.driven import Scope, Way
from verifier.drive.artifacts import Artifacts, hash_table, read_artifacts
from verifier.drive.level import Accelerator
from verifier.drive.machine import Boot, Start, booted
from verifier.drive.qemu import Shape
from verifier.drive.sandbox import sandboxed

pytestmark = pytest.mark.slow
SECONDS = 120


@pytest.fixture(scope="module")
def given(reference_image: LoggedImage, qemu: str, bubblewrap: str) -> Path:
    assert qemu
    assert bubblewrap
    return reference_image.folder


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


def checks(*, machine: bool) -> list[str]:
    """What a direct drive has to show, in its order."""
    return list(required_of_drive(Scope(machine=machine, boots=True, way=Way.DIRECT)))


def passed(ran: Ran) -> list[str]:
    return re.findall(r"^pass  (drive\.[a-z_.]+)  ", ran.out, re.MULTILINE)


def test_a_release_boots_answers_and_refuses_every_tamper(given: Path, tmp_path: Path) -> None:
    ran = drive(given, "--bundle", tmp_path / "bundle")
    assert ran.code == 0, ran.out + ran.err
    assert "\nlevel    emulated-enforced\n" in ran.out
    assert passed(ran) == checks(machine=True)
    assert ran.last.startswith("VERIFIED (simulated platform")
    assert "; level emulated-enforced); " in ran.last
    again = cvm_audit(
        "verify", tmp_path / "bundle", "--policy", given / "policy.toml",
        "--trust-root", given / "trust",
    )  # fmt: skip
    assert again.code == 0
    assert "level emulated-enforced, tcg, QEMU" in again.out
    assert passed(again) == []
    assert not machines_of(os.getpid())


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
    assert "; level process); " in ran.last
    assert "not proven: release.measurement" in ran.last
    assert passed(ran) == checks(machine=False)
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
