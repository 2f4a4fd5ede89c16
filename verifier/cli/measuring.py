"""The options that name a launch, and the launch inputs that they give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.cli.files import read_file
from verifier.errors import ParseError
from verifier.measurement.sev_snp import (
    MAX_DOCUMENT_SIZE,
    MAX_FIRMWARE_SIZE,
    MAX_SVSM_VARIABLES_SIZE,
    MAX_VCPUS,
    SNP_ACTIVE,
    VCPU_SIGNATURES,
    LaunchInputs,
    TracedPage,
    Vmm,
    firmware_pages,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
    parse_launch_inputs,
    svsm_pages,
    trace_launch,
)
from verifier.tlog.strict import parse_hex_integer

__all__ = ["FILE", "Asked", "boot_options", "check_features", "launch_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""An existing file, as an option."""

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


def _hex(maximum: int) -> Callable[..., int | None]:
    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
        try:
            return None if value is None else parse_hex_integer(value, what="", maximum=maximum)
        except ParseError as error:
            message = f"{error.got} (expected {error.expected})"
            raise click.BadParameter(message, context, parameter) from None

    return read


_BOOT_OPTIONS = (
    click.option("--firmware", type=FILE, help="OVMF image."),
    click.option("--kernel", type=FILE, help="Kernel that the VMM loads directly."),
    click.option("--initrd", type=FILE, help="Initrd loaded with the kernel."),
    click.option("--cmdline", metavar="TEXT", help="Kernel command line."),
    click.option(
        "--launch-inputs", type=FILE, help="Published launch inputs, instead of the binaries."
    ),
)
_LAUNCH_OPTIONS = (
    click.option("--svsm", type=FILE, help="Coconut SVSM image below the firmware."),
    click.option(
        "--svsm-variables-size",
        type=click.IntRange(0, MAX_SVSM_VARIABLES_SIZE),
        help="Bytes of the variable store between SVSM and firmware.",
    ),
    click.option("--vcpus", type=click.IntRange(1, MAX_VCPUS), help="Number of vCPUs."),
    click.option(
        "--vcpu-type",
        type=click.Choice(tuple(VCPU_SIGNATURES)),
        metavar="TYPE",
        help="QEMU vCPU type, such as EPYC-v4 or EPYC-Milan.",
    ),
    click.option(
        "--vcpu-sig",
        metavar="HEX",
        callback=_hex(2**32 - 1),
        help="CPUID 1 EAX instead of a vCPU type. EC2 and GCE do not measure it.",
    ),
    click.option(
        "--guest-features",
        metavar="HEX",
        callback=_hex(2**64 - 1),
        help="SEV_FEATURES, 0x1 if not given. KVM since Linux 6.6 launches with 0x21 by default.",
    ),
    click.option(
        "--vmm",
        type=click.Choice([str(vmm) for vmm in Vmm if vmm is not Vmm.QEMU_SVSM]),
        help="VMM that launches the guest, qemu if not given.",
    ),
)


def boot_options(command: _Command) -> _Command:
    """Options that name what is launched."""
    return _with(command, _BOOT_OPTIONS)


def launch_options(command: _Command) -> _Command:
    """Options that name what is launched, and how."""
    return _with(command, (*_BOOT_OPTIONS[:-1], *_LAUNCH_OPTIONS, _BOOT_OPTIONS[-1]))


def _with(command: _Command, options: tuple[Callable[[_Command], _Command], ...]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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

    def read(self) -> LaunchInputs:
        """The launch that is asked for. Raises UsageError, and ParseError for bad files."""
        _check_consistency(self)
        if self.launch_inputs is not None:
            return parse_launch_inputs(read_file(self.launch_inputs, limit=MAX_DOCUMENT_SIZE))
        return _measure_binaries(self)

    def trace(self, inputs: LaunchInputs) -> Iterator[TracedPage]:
        """The pages of the launch: from the first one on, if the binaries were named."""
        if self.firmware is None:
            return trace_launch(inputs, image_pages=None)
        firmware = read_file(self.firmware, limit=MAX_FIRMWARE_SIZE)
        if self.svsm is None or self.svsm_variables_size is None:
            return trace_launch(inputs, image_pages=firmware_pages(firmware))
        svsm = read_file(self.svsm, limit=MAX_FIRMWARE_SIZE)
        pages = svsm_pages(firmware=firmware, svsm=svsm, variables_size=self.svsm_variables_size)
        return trace_launch(inputs, image_pages=pages)

    def given(self, name: str) -> bool:
        """Whether the option was given."""
        return getattr(self, name) is not None


def check_features(features: int | None) -> None:
    """Raise UsageError for SEV_FEATURES that no SEV-SNP guest has."""
    if features is not None and not features & SNP_ACTIVE:
        raise click.UsageError("--guest-features needs bit 0 (SNPActive), as every SNP guest has")


def _check_consistency(asked: Asked) -> None:
    everything = tuple(field.name for field in fields(Asked) if field.name != "launch_inputs")
    for name, others in (("launch_inputs", everything), *_EXCLUSIVE):
        for other in others:
            if asked.given(name) and asked.given(other):
                raise click.UsageError(f"{_flag(name)} and {_flag(other)} exclude each other")
    for name, needed in _NEEDED:
        if asked.given(name) and not asked.given(needed):
            raise click.UsageError(f"{_flag(name)} needs {_flag(needed)}")
    if not asked.given("firmware") and not asked.given("launch_inputs"):
        raise click.UsageError("one of --firmware and --launch-inputs is needed")
    check_features(asked.guest_features)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _measure_binaries(asked: Asked) -> LaunchInputs:
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


def _vcpu_signature(asked: Asked, vmm: Vmm) -> int:
    if asked.vcpu_type is not None:
        return VCPU_SIGNATURES[asked.vcpu_type]
    if asked.vcpu_sig is not None:
        return asked.vcpu_sig
    if vmm is Vmm.QEMU:
        raise click.UsageError("one of --vcpu-type and --vcpu-sig is needed: QEMU measures it")
    return 0


def _read_boot_file(path: Path | None) -> bytes | None:
    return None if path is None else read_file(path, limit=_MAX_BOOT_FILE)
