"""The simulated secure processor as a guest meets it: a socket, 64 bytes in, a report out."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner, Result

from pipeline.platform.cli import main
from pipeline.platform.secure_processor import Launch, launch_guest
from tests.ovmf_image import build_ovmf
from tests.running import ROOT
from tests.synthetic_amd import TCBS, ca_keys
from tests.verifier.drive.deployed import write_platform
from verifier.appraisal.authenticate_snp import authenticate_report, authenticate_vek
from verifier.appraisal.findings import Rejected
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.certificate_table import parse_certificate_table
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.evidence.tcb import Product, decode_tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    Vmm,
    launch_digest,
    launch_inputs_from_binaries,
)
from verifier.roots.snp_root import SnpRoot

MEASUREMENT = b"\x44" * 48


class Guest:
    """A guest's end of the channel."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, question: bytes) -> tuple[bytes, bytes]:
        self.socket.sendall(question)
        return self._field(), self._field()

    def _field(self) -> bytes:
        (size,) = struct.unpack("< I", self.socket.recv(4, socket.MSG_WAITALL))
        return self.socket.recv(size, socket.MSG_WAITALL)


@contextlib.contextmanager
def served(folder: Path, *words: object) -> Iterator[tuple[str, str]]:
    """A running processor: its socket, and the measurement that it printed."""
    path = os.path.relpath(folder / "asp.sock", ROOT)
    command = [sys.executable, "-m", "pipeline.platform", "serve", folder / "platform"]
    with subprocess.Popen(
        [*map(str, command), "--socket", path, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            yield os.path.relpath(ROOT / path), child.stdout.readline().strip()
        finally:
            child.terminate()
            child.wait(10)
            (folder / "asp.sock").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processor")
    write_platform(made / "platform")
    return made


@pytest.fixture(scope="module")
def root(folder: Path) -> SnpRoot:
    from verifier.evidence.simulated_root import parse_simulated_root

    return parse_simulated_root((folder / "platform" / "root.json").read_bytes())


def authentic(root: SnpRoot, report: bytes, vek: bytes | None) -> AttestationReport:
    assert vek is not None
    now = datetime.now(UTC)
    certificate = authenticate_vek(
        parse_vek_certificate(vek), roots=(root,), offered_ca=(), now=now
    )
    parsed = parse_report(report)
    return authenticate_report(parsed, vek=certificate, allowances=NO_ALLOWANCES).report


def test_every_question_gets_a_report_of_this_boot(folder: Path, root: SnpRoot) -> None:
    with served(folder, "--measurement", MEASUREMENT.hex()) as (path, printed):
        assert printed == MEASUREMENT.hex()
        assert (folder / "asp.sock").stat().st_mode & 0o777 == 0o600
        with Guest(path) as guest:
            answers = [guest.ask(bytes((number,)) * 64) for number in (1, 2)]
        # One that hangs up in the middle of a question, and the next.
        with Guest(path) as rude:
            rude.socket.sendall(b"x" * 10)
        with Guest(path) as guest:
            answers.append(guest.ask(b"\x03" * 64))
    reports = []
    for number, (report, table) in enumerate(answers, start=1):
        vek = parse_certificate_table(table).vek(VekKind.VCEK)
        found = authentic(root, report, vek)
        assert (found.report_data, found.measurement) == (bytes((number,)) * 64, MEASUREMENT)
        reports.append(found)
    assert len({found.report_id for found in reports}) == 1
    assert len({table for _, table in answers}) == 1


def test_every_boot_has_a_key_of_its_own(folder: Path, root: SnpRoot) -> None:
    boots = []
    for _ in range(2):
        measured = served(folder, "--measurement", MEASUREMENT.hex())
        with measured as (path, _printed), Guest(path) as guest:
            boots.append(guest.ask(bytes(64)))
    veks = [parse_certificate_table(table).vek(VekKind.VCEK) for _, table in boots]
    assert veks[0] != veks[1]
    with pytest.raises(Rejected) as caught:
        authentic(root, boots[0][0], veks[1])
    failed = {finding.check for finding in caught.value.findings if finding.status == "fail"}
    assert "snp.report.signature" in failed
    assert {path.name for path in (folder / "platform").iterdir()} == {
        "root.json",
        "ark-key.pem",
        "vendor-key.pem",
    }


def test_policy_tcb_and_identity_are_as_asked(folder: Path, root: SnpRoot) -> None:
    chip, host = bytes(range(64)), b"\x77" * 32
    with served(
        folder, "--measurement", MEASUREMENT.hex(), "--debug", "--migrate-ma",
        "--chip-id", chip.hex(), "--host-data", host.hex(), "--vmpl", 2, "--tcb", "3,0,20,200",
    ) as (path, _), Guest(path) as guest:  # fmt: skip
        report, table = guest.ask(bytes(64))
    found = authentic(root, report, parse_certificate_table(table).vek(VekKind.VCEK))
    assert (found.guest_policy.debug, found.guest_policy.migrate_ma) == (True, True)
    assert (found.chip_id, found.host_data, found.vmpl) == (chip, host, 2)
    reported = decode_tcb(found.reported_tcb, Product.MILAN)
    assert str(reported) == "bl3 tee0 snp20 uc200"


def boot_files(folder: Path) -> dict[str, Path]:
    contents = {
        "--firmware": build_ovmf(),
        "--kernel": b"a kernel",
        "--initrd": b"an initrd",
        "--cmdline-file": b"console=ttyS0 quiet",
    }
    paths = {name: folder / name.strip("-") for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths


def test_the_files_are_measured_by_another_program_than_ours(folder: Path) -> None:
    paths = boot_files(folder)
    given = [word for pair in paths.items() for word in pair]
    with served(folder, *given, "--vcpus", 2, "--vcpu-type", "EPYC-Milan") as (_, printed):
        pass
    ours = launch_inputs_from_binaries(
        firmware=paths["--firmware"].read_bytes(),
        kernel=paths["--kernel"].read_bytes(),
        initrd=paths["--initrd"].read_bytes(),
        cmdline=paths["--cmdline-file"].read_bytes(),
        vcpus=2,
        vcpu_signature=VCPU_SIGNATURES["EPYC-Milan"],
        guest_features=1,
        vmm=Vmm.QEMU,
    )
    assert printed == launch_digest(ours).hex()


def serve(folder: Path, *words: object) -> Result:
    options = ("serve", folder / "platform", "--socket", folder / "never.sock", *words)
    return CliRunner().invoke(main, [str(option) for option in options])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "either --measurement, or all of"),
        (("--measurement", "11" * 47), "96 lower-case hex digits"),
        (("--measurement", "11" * 48, "--tcb", "1,2,3"), "Milan has 4 levels"),
        (("--measurement", "11" * 48, "--tcb", "1,2,3,256"), "a decimal up to 255"),
        (("--measurement", "11" * 48, "--chip-id", "11"), "128 lower-case hex digits"),
    ],
)
def test_a_wrong_launch_is_not_served(folder: Path, words: tuple[str, ...], said: str) -> None:
    result = serve(folder, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (folder / "never.sock").exists()


def test_a_measurement_and_files_exclude_each_other(folder: Path) -> None:
    firmware = boot_files(folder)["--firmware"]
    result = serve(folder, "--measurement", "11" * 48, "--firmware", firmware)
    assert (result.exit_code, "either" in result.stderr) == (2, True)


def test_files_that_cannot_be_measured_are_refused(folder: Path) -> None:
    paths = boot_files(folder)
    given = [word for pair in paths.items() for word in pair]
    result = serve(folder, *given, "--vcpu-type", "EPYC-v99")
    assert result.exit_code == 2
    assert "--vcpu-type is one of" in result.stderr
    paths["--firmware"].write_bytes(sha256(b"noise").digest() * 128)
    result = serve(folder, *given)
    assert result.exit_code == 1
    assert "sev-snp-measure" in result.stderr


def test_a_key_of_another_vendor_launches_nothing(root: SnpRoot) -> None:
    launch = Launch(
        measurement=MEASUREMENT,
        policy=0x30000,
        host_data=bytes(32),
        vmpl=0,
        tcb=TCBS[Product.MILAN],
        chip_id=bytes(64),
    )
    ark, vendor = ca_keys()
    processor = launch_guest(launch, root=root, vendor_key=vendor, now=datetime.now(UTC))
    with pytest.raises(ValueError, match="64 bytes, not 63"):
        processor.report(bytes(63))
    with pytest.raises(ValueError, match="does not belong to the root"):
        launch_guest(launch, root=root, vendor_key=ark, now=datetime.now(UTC))


def test_a_swapped_vendor_key_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "platform"
    other.mkdir()
    for name, source in (("root.json", "root.json"), ("vendor-key.pem", "ark-key.pem")):
        (other / name).write_bytes((folder / "platform" / source).read_bytes())
    result = serve(tmp_path, "--measurement", "11" * 48)
    assert result.exit_code == 1
    assert "the vendor's key does not belong to the root" in result.stderr
