"""``cvm-audit measure``: predict what a guest's launch measurement must be."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from verifier.cli.files import read_file, write_file
from verifier.errors import ParseError
from verifier.measurement.sev_snp import (
    MAX_DOCUMENT_SIZE,
    MAX_FIRMWARE_SIZE,
    MAX_SVSM_VARIABLES_SIZE,
    MAX_VCPUS,
    SNP_ACTIVE,
    VCPU_SIGNATURES,
    LaunchInputs,
    Vmm,
    encode_launch_inputs,
    launch_digest,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
    parse_launch_inputs,
)
from verifier.tlog.strict import parse_hex_integer

__all__ = ["measure"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MAX_BOOT_FILE = 1024 * 1024 * 1024
"""Most bytes of a kernel or of an initrd that are read."""

# Options that exclude each other, and options that mean nothing without another.
_EXCLUSIVE = (
    ("vcpu_type", ("vcpu_sig",)),
    ("svsm", ("kernel", "initrd", "cmdline", "vmm", "guest_features")),
)
_NEEDED = (
    ("initrd", "kernel"),
    ("cmdline", "kernel"),
    ("kernel", "firmware"),
    ("svsm", "firmware"),
    ("svsm", "svsm_variables_size"),
    ("svsm_variables_size", "svsm"),
    ("firmware", "vcpus"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options, named as on the command line; None is an option that was not given."""

    firmware: Path | None
    kernel: Path | None
    initrd: Path | None
    cmdline: str | None
    svsm: Path | None
    svsm_variables_size: int | None
    vcpus: int | None
    vcpu_type: str | None
    vcpu_sig: int | None
    guest_features: int | None
    vmm: str | None
    launch_inputs: Path | None
    write_launch_inputs: Path | None

    def given(self, name: str) -> bool:
        return getattr(self, name) is not None


def _hex(maximum: int) -> Callable[..., int | None]:
    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
        try:
            return None if value is None else parse_hex_integer(value, what="", maximum=maximum)
        except ParseError as error:
            message = f"{error.got} (expected {error.expected})"
            raise click.BadParameter(message, context, parameter) from None

    return read


@click.group()
def measure() -> None:
    """Predict what a guest's launch measurement must be."""


@measure.command("sev-snp")
@click.option("--firmware", type=_FILE, help="OVMF image.")
@click.option("--kernel", type=_FILE, help="Kernel that the VMM loads directly.")
@click.option("--initrd", type=_FILE, help="Initrd loaded with the kernel.")
@click.option("--cmdline", metavar="TEXT", help="Kernel command line.")
@click.option("--svsm", type=_FILE, help="Coconut SVSM image below the firmware.")
@click.option(
    "--svsm-variables-size",
    type=click.IntRange(0, MAX_SVSM_VARIABLES_SIZE),
    help="Bytes of the variable store between SVSM and firmware.",
)
@click.option("--vcpus", type=click.IntRange(1, MAX_VCPUS), help="Number of vCPUs.")
@click.option(
    "--vcpu-type",
    type=click.Choice(tuple(VCPU_SIGNATURES)),
    metavar="TYPE",
    help="QEMU vCPU type, such as EPYC-v4 or EPYC-Milan.",
)
@click.option(
    "--vcpu-sig",
    metavar="HEX",
    callback=_hex(2**32 - 1),
    help="CPUID 1 EAX instead of a vCPU type. EC2 and GCE do not measure it.",
)
@click.option(
    "--guest-features",
    metavar="HEX",
    callback=_hex(2**64 - 1),
    help="SEV_FEATURES, 0x1 if not given. KVM since Linux 6.6 launches with 0x21 by default.",
)
@click.option(
    "--vmm",
    type=click.Choice([str(vmm) for vmm in Vmm if vmm is not Vmm.QEMU_SVSM]),
    help="VMM that launches the guest, qemu if not given.",
)
@click.option(
    "--launch-inputs", type=_FILE, help="Published launch inputs, instead of the binaries."
)
@click.option(
    "--write-launch-inputs",
    type=click.Path(path_type=Path),
    help="New file for the launch inputs of these binaries.",
)
def sev_snp(**options: Any) -> None:
    """Print the launch digest (MEASUREMENT) of an SEV-SNP guest in hex, and nothing else."""
    asked = _Asked(**options)
    _check_consistency(asked)
    if asked.launch_inputs is not None:
        raw = read_file(asked.launch_inputs, limit=MAX_DOCUMENT_SIZE)
        inputs = parse_launch_inputs(raw)
    else:
        inputs = _measure_binaries(asked)
    digest = launch_digest(inputs)
    if asked.write_launch_inputs is not None:
        write_file(asked.write_launch_inputs, encode_launch_inputs(inputs))
    click.echo(digest.hex())


def _check_consistency(asked: _Asked) -> None:
    everything = tuple(field.name for field in fields(_Asked) if field.name != "launch_inputs")
    for name, others in (("launch_inputs", everything), *_EXCLUSIVE):
        for other in others:
            if asked.given(name) and asked.given(other):
                raise click.UsageError(f"{_flag(name)} and {_flag(other)} exclude each other")
    for name, needed in _NEEDED:
        if asked.given(name) and not asked.given(needed):
            raise click.UsageError(f"{_flag(name)} needs {_flag(needed)}")
    if not asked.given("firmware") and not asked.given("launch_inputs"):
        raise click.UsageError("one of --firmware and --launch-inputs is needed")
    if asked.guest_features is not None and not asked.guest_features & SNP_ACTIVE:
        raise click.UsageError("--guest-features needs bit 0 (SNPActive), as every SNP guest has")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _measure_binaries(asked: _Asked) -> LaunchInputs:
    if asked.firmware is None or asked.vcpus is None:
        raise AssertionError("consistency was checked")
    vmm = Vmm(asked.vmm) if asked.vmm is not None else Vmm.QEMU
    signature = _vcpu_signature(asked, vmm)
    firmware = read_file(asked.firmware, limit=MAX_FIRMWARE_SIZE)
    if asked.svsm is not None and asked.svsm_variables_size is not None:
        return launch_inputs_from_svsm(
            firmware=firmware,
            svsm=read_file(asked.svsm, limit=MAX_FIRMWARE_SIZE),
            variables_size=asked.svsm_variables_size,
            vcpus=asked.vcpus,
            vcpu_signature=signature,
        )
    return launch_inputs_from_binaries(
        firmware=firmware,
        kernel=_read_boot_file(asked.kernel),
        initrd=_read_boot_file(asked.initrd),
        # The very bytes of the argument, also where they are not text.
        cmdline=os.fsencode(asked.cmdline) if asked.cmdline is not None else None,
        vcpus=asked.vcpus,
        vcpu_signature=signature,
        guest_features=asked.guest_features if asked.guest_features is not None else SNP_ACTIVE,
        vmm=vmm,
    )


def _vcpu_signature(asked: _Asked, vmm: Vmm) -> int:
    if asked.vcpu_type is not None:
        return VCPU_SIGNATURES[asked.vcpu_type]
    if asked.vcpu_sig is not None:
        return asked.vcpu_sig
    if vmm is Vmm.QEMU:
        raise click.UsageError("one of --vcpu-type and --vcpu-sig is needed: QEMU measures it")
    return 0


def _read_boot_file(path: Path | None) -> bytes | None:
    return None if path is None else read_file(path, limit=_MAX_BOOT_FILE)
