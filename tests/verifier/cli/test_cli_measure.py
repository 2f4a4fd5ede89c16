"""``cvm-audit measure sev-snp``, as typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ovmf_image import SECTIONS, build_ovmf, build_svsm
from tests.running import ROOT, Ran, cvm_audit
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    LaunchInputs,
    Vmm,
    encode_launch_inputs,
    launch_digest,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
)

FIRMWARE = build_ovmf()
KERNEL, INITRD, CMDLINE = b"a kernel", b"an initrd", "console=ttyS0 quiet"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, content in (
        ("OVMF.fd", FIRMWARE),
        ("vmlinuz", KERNEL),
        ("initrd", INITRD),
        ("svsm.bin", build_svsm()),
        ("empty", b""),
        ("launch.json", encode_launch_inputs(launch())),
    ):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def launch(
    *,
    kernel: bytes | None = KERNEL,
    initrd: bytes | None = INITRD,
    cmdline: bytes | None = CMDLINE.encode(),
    vcpus: int = 4,
    signature: int = 0xA00F11,
    features: int = 1,
    vmm: Vmm = Vmm.QEMU,
) -> LaunchInputs:
    return launch_inputs_from_binaries(
        firmware=FIRMWARE,
        kernel=kernel,
        initrd=initrd,
        cmdline=cmdline,
        vcpus=vcpus,
        vcpu_signature=signature,
        guest_features=features,
        vmm=vmm,
    )


def disk(*, vmm: Vmm, features: int = 1, signature: int = 0xA00F11) -> LaunchInputs:
    return launch(
        kernel=None, initrd=None, cmdline=None, vmm=vmm, features=features, signature=signature
    )


def measure(files: Path, line: str, *more: str) -> Ran:
    """Run the verb; ``@name`` in ``line`` is the file ``name``."""
    words = [str(files / word[1:]) if word.startswith("@") else word for word in line.split()]
    return cvm_audit("measure", "sev-snp", *words, *more)


DIRECT = "--firmware @OVMF.fd --kernel @vmlinuz --vcpus 4 --vcpu-type EPYC-Milan"
BOOT = "--firmware @OVMF.fd --vcpus 4"


@pytest.mark.parametrize(
    ("line", "more", "expected"),
    [
        (f"{DIRECT} --initrd @initrd", ("--cmdline", CMDLINE), launch()),
        (DIRECT, (), launch(initrd=None, cmdline=None)),
        (f"{DIRECT} --initrd @empty", ("--cmdline", ""), launch(initrd=None, cmdline=None)),
        (f"{BOOT} --vcpu-type EPYC-Milan", (), disk(vmm=Vmm.QEMU)),
        (f"{BOOT} --vcpu-sig 0xa00f11 --vmm qemu", (), disk(vmm=Vmm.QEMU)),
        (
            f"{BOOT} --vcpu-type EPYC-Milan --guest-features 0x21",
            (),
            disk(vmm=Vmm.QEMU, features=0x21),
        ),
        (f"{BOOT} --vmm ec2", (), disk(vmm=Vmm.EC2)),
        (f"{BOOT} --vmm gce --vcpu-type EPYC-Rome", (), disk(vmm=Vmm.GCE)),
        ("--launch-inputs @launch.json", (), launch()),
    ],
)
def test_the_digest_is_all_that_is_printed(
    files: Path, line: str, more: tuple[str, ...], expected: LaunchInputs
) -> None:
    ran = measure(files, line, *more)
    assert (ran.code, ran.out, ran.err) == (0, launch_digest(expected).hex() + "\n", "")


@pytest.mark.parametrize("name", sorted(VCPU_SIGNATURES))
def test_every_vcpu_type_can_be_named(files: Path, name: str) -> None:
    expected = launch_digest(disk(vmm=Vmm.QEMU, signature=VCPU_SIGNATURES[name])).hex()
    assert measure(files, f"{BOOT} --vcpu-type {name}").last == expected


def test_an_svsm_launch(files: Path) -> None:
    line = f"{BOOT} --vcpu-type EPYC-v4 --svsm @svsm.bin --svsm-variables-size 4096"
    inputs = launch_inputs_from_svsm(
        firmware=FIRMWARE,
        svsm=build_svsm(),
        variables_size=4096,
        vcpus=4,
        vcpu_signature=0x800F12,
    )
    assert measure(files, line).last == launch_digest(inputs).hex()


def test_published_launch_inputs_give_the_same_digest(files: Path) -> None:
    line = f"{DIRECT} --initrd @initrd --write-launch-inputs @new.json"
    first = measure(files, line, "--cmdline", CMDLINE)
    assert first.code == 0
    assert (files / "new.json").read_bytes() == (files / "launch.json").read_bytes()
    assert measure(files, "--launch-inputs @new.json").out == first.out


def test_the_very_bytes_of_the_command_line_are_measured(files: Path) -> None:
    command = [sys.executable, "-m", "verifier", "measure", "sev-snp", "--vcpus", "4"]
    command += ["--firmware", str(files / "OVMF.fd"), "--kernel", str(files / "vmlinuz")]
    command += ["--vcpu-type", "EPYC-Milan"]
    done = subprocess.run(
        [*map(os.fsencode, command), b"--cmdline", b"console=\xff"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    expected = launch_digest(launch(initrd=None, cmdline=b"console=\xff"))
    assert done.stdout.decode() == expected.hex() + "\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "one of --firmware and --launch-inputs is needed"),
        ("--vcpus 4", "one of --firmware and --launch-inputs is needed"),
        ("--firmware @OVMF.fd", "--firmware needs --vcpus"),
        (BOOT, "one of --vcpu-type and --vcpu-sig is needed"),
        (f"{BOOT} --vcpu-type EPYC --vcpu-sig 0x800f12", "--vcpu-type and --vcpu-sig exclude"),
        (f"{BOOT} --vcpu-type EPYC --initrd @initrd", "--initrd needs --kernel"),
        (f"{BOOT} --vcpu-type EPYC --cmdline quiet", "--cmdline needs --kernel"),
        ("--kernel @vmlinuz", "--kernel needs --firmware"),
        (f"{BOOT} --svsm @svsm.bin", "--svsm needs --svsm-variables-size"),
        (f"{BOOT} --svsm-variables-size 4096", "--svsm-variables-size needs --svsm"),
        ("--svsm @svsm.bin", "--svsm needs --firmware"),
        (f"{BOOT} --svsm @svsm.bin --vmm ec2", "--svsm and --vmm exclude"),
        (f"{BOOT} --svsm @svsm.bin --kernel @vmlinuz", "--svsm and --kernel exclude"),
        (f"{BOOT} --svsm @svsm.bin --guest-features 0x1", "--svsm and --guest-features exclude"),
        ("--launch-inputs @launch.json --firmware @OVMF.fd", "--launch-inputs and --firmware"),
        ("--launch-inputs @launch.json --kernel @vmlinuz", "--launch-inputs and --kernel"),
        ("--launch-inputs @launch.json --vcpus 4", "--launch-inputs and --vcpus"),
        ("--launch-inputs @launch.json --vcpu-type EPYC", "--launch-inputs and --vcpu-type"),
        ("--launch-inputs @launch.json --vcpu-sig 0x0", "--launch-inputs and --vcpu-sig"),
        ("--launch-inputs @launch.json --guest-features 0x1", "and --guest-features exclude"),
        ("--launch-inputs @launch.json --vmm qemu", "--launch-inputs and --vmm exclude"),
        ("--launch-inputs @launch.json --write-launch-inputs @x", "and --write-launch-inputs"),
        (f"{BOOT} --vcpu-type EPYC --guest-features 0x20", "--guest-features needs bit 0"),
        (f"{BOOT} --vcpu-sig 800f12", "'--vcpu-sig': '800f12' (expected 0x and 1 to 16"),
        (f"{BOOT} --vcpu-sig 0x100000000", "0x100000000 (expected at most 0xffffffff)"),
        (f"{BOOT} --vcpu-type Opteron", "'--vcpu-type'"),
        (f"{BOOT} --vmm krun", "'--vmm'"),
        ("--firmware @OVMF.fd --vcpus 0", "'--vcpus'"),
        ("--firmware @OVMF.fd --vcpus 4097", "'--vcpus'"),
        ("--firmware @missing --vcpus 1", "does not exist"),
        ("--launch-inputs @missing", "does not exist"),
    ],
)
def test_a_wrong_command_is_exit_2(files: Path, line: str, said: str) -> None:
    ran = measure(files, line)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("cvm-audit: ")
    assert said in ran.err


def test_a_document_is_never_overwritten(files: Path) -> None:
    line = f"{BOOT} --vcpu-type EPYC --write-launch-inputs @launch.json"
    before = (files / "launch.json").read_bytes()
    ran = measure(files, line)
    assert (ran.code, ran.out) == (2, "")
    assert "exists" in ran.err
    assert (files / "launch.json").read_bytes() == before


def test_malformed_firmware_is_exit_1(files: Path) -> None:
    (files / "bad.fd").write_bytes(FIRMWARE[:-1])
    ran = measure(files, "--firmware @bad.fd --vcpus 1 --vcpu-type EPYC")
    said = "OVMF image: 8191 bytes (expected a multiple of 4096 up to 16777216 bytes)"
    assert (ran.code, ran.out, ran.err) == (1, "", f"cvm-audit: {said}\n")


def test_firmware_that_cannot_check_a_kernel_is_exit_1(files: Path) -> None:
    (files / "OVMF.fd").write_bytes(build_ovmf(sections=SECTIONS))
    ran = measure(files, DIRECT)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("cvm-audit: OVMF image: no such section (expected an SNP_KERNEL_HAS")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "launch inputs: "),
        (b'{"schema": "cvm-audit/snp-launch-inputs/v2"}', "launch inputs.schema: "),
        (b" " * 65537, "launch.json: more (expected at most 65536 bytes)"),
    ],
)
def test_malformed_launch_inputs_are_exit_1(files: Path, raw: bytes, said: str) -> None:
    (files / "launch.json").write_bytes(raw)
    ran = measure(files, "--launch-inputs @launch.json")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
