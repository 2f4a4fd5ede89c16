"""``cvm-audit measure sev-snp``, as typed."""

from __future__ import annotations

import json
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
from verifier.release.cvm_release import read_measurements
from verifier.tlog.json_object import JsonObject

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


def test_an_expected_digest_is_confirmed(files: Path) -> None:
    digest = launch_digest(disk(vmm=Vmm.QEMU)).hex()
    ran = measure(files, f"{BOOT} --vcpu-type EPYC-Milan --expect {digest}")
    assert (ran.code, ran.out, ran.err) == (0, digest + "\n", "")


def test_another_digest_is_exit_1_and_explained(files: Path) -> None:
    real = launch_digest(disk(vmm=Vmm.QEMU, features=0x21)).hex()
    ran = measure(files, f"{BOOT} --vcpu-type EPYC-v4 --expect {real}")
    mine = launch_digest(disk(vmm=Vmm.QEMU, signature=0x800F12)).hex()
    assert (ran.code, ran.out) == (1, mine + "\n")
    assert ran.err == (
        f"cvm-audit: launch digest: {mine} (expected {real})\n"
        "cvm-audit: hint: a launch has it that differs so: vCPU type EPYC-Milan (0xa00f11) "
        "instead of EPYC (0x800f12), guest features 0x21 instead of 0x1\n"
    )


def test_a_launch_without_kernel_hashes_is_a_near_miss(files: Path) -> None:
    ran = measure(files, f"{DIRECT} --expect {launch_digest(disk(vmm=Vmm.QEMU)).hex()}")
    assert ran.code == 1
    assert "a launch has it that differs so: without kernel hashes, so that neither" in ran.err


def test_what_nothing_nearby_gives_says_what_was_tried(files: Path) -> None:
    ran = measure(files, f"--launch-inputs @launch.json --expect {'00' * 48}")
    assert (ran.code, ran.last) == (1, launch_digest(launch()).hex())
    assert "hint: none of 197120 launches nearby gives the expected one (1 to 512 vCPUs" in ran.err


@pytest.mark.parametrize("value", ["00" * 47, "0x" + "00" * 47, "AA" * 48, ""])
def test_a_malformed_expectation_is_exit_2(files: Path, value: str) -> None:
    ran = measure(files, "--launch-inputs @launch.json", "--expect", value)
    assert (ran.code, ran.out) == (2, "")
    assert "(expected 96 lower-case hex digits)" in ran.err


def test_a_trace_prints_every_page_and_then_the_digest(files: Path) -> None:
    ran = measure(files, f"{BOOT} --vcpu-type EPYC-Milan --trace")
    *pages, digest = ran.out.splitlines()
    assert (ran.code, digest) == (0, launch_digest(disk(vmm=Vmm.QEMU)).hex())
    assert pages[-1].endswith(f" {digest}")
    assert pages[0].startswith(f"NORMAL {2**32 - len(FIRMWARE):#x} ")
    assert len({page.split(" ")[0] for page in pages}) >= 4
    assert [page.split(" ")[0] for page in pages[-4:]] == ["VMSA"] * 4
    assert all(len(page.split(" ")) == 4 for page in pages)


def test_a_trace_of_published_inputs_starts_after_the_firmware(files: Path) -> None:
    line = f"{DIRECT} --initrd @initrd --trace"
    whole = measure(files, line, "--cmdline", CMDLINE).out.splitlines()
    rest = measure(files, "--launch-inputs @launch.json --trace").out.splitlines()
    assert whole[len(FIRMWARE) // 4096 :] == rest


def test_a_trace_of_an_svsm_launch(files: Path) -> None:
    line = f"{BOOT} --vcpu-type EPYC-v4 --svsm @svsm.bin --svsm-variables-size 4096"
    ran = measure(files, f"{line} --trace")
    assert (ran.code, ran.last) == (0, measure(files, line).last)
    assert ran.out.splitlines()[-2].endswith(ran.last)


def matrix(files: Path, line: str) -> Ran:
    words = [str(files / word[1:]) if word.startswith("@") else word for word in line.split()]
    return cvm_audit("measure", "matrix", *words)


MATRIX = "--firmware @OVMF.fd --kernel @vmlinuz"


def test_a_matrix_is_written_for_a_release(files: Path) -> None:
    ran = matrix(
        files,
        f"{MATRIX} --vcpus 1,2,4 --types EPYC-v4,EPYC-Milan,EPYC --vmms qemu,gce "
        "--guest-features 0x1,0x21 -o @matrix.json",
    )
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("matrix.json: 18 measurements\n")
    document = JsonObject(json.loads((files / "matrix.json").read_bytes()), what="matrix")
    rows = read_measurements(document, minimum=1)
    document.end()
    (row,) = [
        row
        for row in rows
        if (row.vmm, row.vcpus, row.vcpu_signature, row.guest_features) == ("qemu", 4, 0xA00F11, 1)
    ]
    assert row.value == launch_digest(launch(initrd=None, cmdline=None))
    for row in rows:
        line = f"{MATRIX} --vcpus {row.vcpus} --vmm {row.vmm} --vcpu-sig {row.vcpu_signature:#x}"
        ran = measure(files, f"{line} --guest-features {row.guest_features:#x}")
        assert ran.out == row.value.hex() + "\n"


def test_a_matrix_of_published_inputs(files: Path) -> None:
    ran = matrix(files, "--launch-inputs @launch.json --vcpus 4 --types EPYC-Milan -o @m.json")
    assert ran.code == 0
    (row,) = json.loads((files / "m.json").read_bytes())["measurements"]
    assert row["value"] == launch_digest(launch()).hex()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{MATRIX} --vcpus 1,,2 --types EPYC -o @m", "--vcpus: '' (expected a decimal"),
        (f"{MATRIX} --vcpus 0 --types EPYC -o @m", "--vcpus: 0 (expected 1 to 4096)"),
        (f"{MATRIX} --vcpus 4097 --types EPYC -o @m", "--vcpus: 4097 (expected a decimal up to"),
        (f"{MATRIX} --vcpus 1 -o @m", "--types goes with the VMM qemu"),
        (f"{MATRIX} --vcpus 1 --vmms gce --types EPYC -o @m", "--types goes with the VMM qemu"),
        (f"{MATRIX} --vcpus 1 --types Opteron -o @m", "--types: 'Opteron' (expected EPYC or"),
        (f"{MATRIX} --vcpus 1 --types EPYC --vmms krun -o @m", "--vmms: 'krun' (expected qemu"),
        (f"{MATRIX} --vcpus 1 --types EPYC --guest-features 33 -o @m", "--guest-features: '33'"),
        (f"{MATRIX} --vcpus 1 --types EPYC --guest-features 0x20 -o @m", "needs bit 0"),
        (f"{MATRIX} --types EPYC -o @m", "Missing option '--vcpus'"),
        (f"{MATRIX} --vcpus 1 --types EPYC", "Missing option '-o'"),
        ("--vcpus 1 --types EPYC -o @m", "one of --firmware and --launch-inputs is needed"),
        ("--launch-inputs @launch.json --kernel @vmlinuz --vcpus 1 --types EPYC -o @m", "exclude"),
        ("--firmware @OVMF.fd --initrd @initrd --vcpus 1 --types EPYC -o @m", "needs --kernel"),
        ("--launch-inputs @svsm.json --vcpus 1 --types EPYC -o @m", "no measurement of an SVSM"),
        (f"{MATRIX} --vcpus 1 --types EPYC -o @empty", "exists"),
    ],
)
def test_a_wrong_matrix_is_exit_2(files: Path, line: str, said: str) -> None:
    inputs = launch_inputs_from_svsm(
        firmware=FIRMWARE, svsm=build_svsm(), variables_size=0, vcpus=1, vcpu_signature=0
    )
    (files / "svsm.json").write_bytes(encode_launch_inputs(inputs))
    ran = matrix(files, line)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not (files / "m").exists()


def test_a_matrix_that_no_release_holds_is_exit_2(files: Path) -> None:
    vcpus = ",".join(map(str, range(1, 1026)))
    ran = matrix(files, f"{MATRIX} --vcpus {vcpus} --types EPYC -o @m")
    assert (ran.code, ran.out) == (2, "")
    assert "1025 rows, not 1 to 1024" in ran.err
