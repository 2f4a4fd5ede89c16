"""QEMU's command line for one boot. Pure: what is asked for in, words out.

The firmware enforces the hash table in emulation too: the table that QEMU would inject into a
SEV guest is loaded to the address that the firmware itself names. Sources: QEMU ``qemu-options``,
``hw/i386/x86.c``, ``target/i386/sev.c``; edk2 ``OvmfPkg/AmdSev``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from verifier.drive.level import Accelerator
from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = [
    "GUEST_PORT",
    "PORTS",
    "BootFiles",
    "Shape",
    "forwarded_port",
    "parse_qemu_version",
    "qemu_command",
]

GUEST_PORT = 8443
"""TCP port on which a guest listens; the host reaches it through a forwarded port alone."""

PORTS = ("processor", "release", "state")
"""Channels between guest and host: virtio-serial ports ``cvm-audit.NAME.0``."""

_ADDS_KERNEL_ITSELF = (10, 0)
_SNP_GUESTS_FROM = (9, 1)
_EMULATES_CX16_FROM = (8, 0)
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_SNP_POLICY = 0x30000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The virtual machine around the artifacts. ``memory`` is in MiB."""

    vcpus: int
    vcpu_type: str
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """Paths of what QEMU is handed. ``table`` is None for a boot without hash table."""

    firmware: Path
    kernel: Path
    initrd: Path
    table: Path | None
    table_gpa: int
    serial: Path
    sockets: Path


def parse_qemu_version(text: str) -> tuple[int, int]:
    """Major and minor number of ``qemu-system-x86_64 --version``. Raises ParseError."""
    match = re.match(r"QEMU emulator version ([0-9]+)\.([0-9]+)", text, re.ASCII)
    if match is None:
        raise ParseError("QEMU's version", expected="QEMU emulator version N.N", got=excerpt(text))
    major, minor = (parse_decimal(part, what="QEMU's version") for part in match.groups())
    return major, minor


def qemu_command(
    program: str,
    *,
    version: tuple[int, int],
    accelerator: Accelerator,
    shape: Shape,
    files: BootFiles,
    cmdline: str,
) -> tuple[str, ...]:
    """The whole command. Raises UnsupportedError if this QEMU cannot launch SEV-SNP guests.

    No egress: the guest's network is restricted, and a host port on the loopback interface is
    forwarded to it. QEMU may not spawn, and connects to sockets that are there before it starts.
    """
    return (
        program,
        *_machine(accelerator, version, hashes=files.table is not None),
        *("-cpu", _cpu(shape.vcpu_type, accelerator, version)),
        *("-smp", str(shape.vcpus), "-m", str(shape.memory)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-bios", str(files.firmware), "-kernel", str(files.kernel)),
        *("-initrd", str(files.initrd), "-append", cmdline),
        *_hash_table(accelerator, version, files),
        *("-chardev", f"file,id=serial,path={files.serial}", "-serial", "chardev:serial"),
        *_channel("monitor", files.sockets),
        *("-mon", "chardev=monitor,mode=control"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:{GUEST_PORT}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-device", "virtio-serial-pci", "-device", "virtio-rng-pci"),
        *(word for name in PORTS for word in _port(name, files.sockets)),
        *("-sandbox", _SANDBOX),
    )


def forwarded_port(usernet: str) -> int:
    """The host's port in the answer of the monitor to ``info usernet``. Raises ParseError."""
    pattern = rf"TCP\[HOST_FORWARD\]\s+[0-9]+\s+127\.0\.0\.1\s+([0-9]+)\s+\S+\s+{GUEST_PORT}\s"
    found = re.findall(pattern, usernet, re.ASCII)
    if len(found) != 1:
        raise ParseError("info usernet", expected="one forwarded port", got=excerpt(usernet, 200))
    return parse_decimal(found[0], what="forwarded port", maximum=65_535)


def _machine(
    accelerator: Accelerator, version: tuple[int, int], *, hashes: bool
) -> tuple[str, ...]:
    if accelerator is Accelerator.TCG:
        return ("-machine", "q35", "-accel", "tcg,thread=multi")
    if accelerator is Accelerator.KVM:
        return ("-machine", "q35", "-accel", "kvm")
    if version < _SNP_GUESTS_FROM:
        expected, got = (".".join(map(str, each)) for each in (_SNP_GUESTS_FROM, version))
        raise UnsupportedError("QEMU for SEV-SNP", expected=f"{expected} or newer", got=got)
    guest = f"sev-snp-guest,id=sev,cbitpos=51,reduced-phys-bits=1,policy={_SNP_POLICY:#x}"
    guest += f",kernel-hashes={'on' if hashes else 'off'}"
    return ("-machine", "q35,confidential-guest-support=sev", "-accel", "kvm", "-object", guest)


def _cpu(vcpu_type: str, accelerator: Accelerator, version: tuple[int, int]) -> str:
    # The emulated CMPXCHG16B of older versions leaves what is no EFLAGS in EFLAGS. Where an
    # interrupt comes right after it, Linux ends in a double fault: three boots of fourteen.
    if accelerator is Accelerator.TCG and version < _EMULATES_CX16_FROM:
        return f"{vcpu_type},-cx16"
    return vcpu_type


def _hash_table(
    accelerator: Accelerator, version: tuple[int, int], files: BootFiles
) -> tuple[str, ...]:
    if accelerator is Accelerator.SNP:
        return ()  # the real thing: QEMU injects the table, and the processor measures it
    # The blob that older versions show under the legacy name is patched, so that its hash can
    # never be that of the file; newer ones show the file by themselves, and refuse it twice.
    kernel = (
        ("-fw_cfg", f"name=etc/boot/kernel,file={files.kernel}")
        if version < _ADDS_KERNEL_ITSELF
        else ()
    )
    if files.table is None:
        return kernel
    loader = f"loader,file={files.table},addr={files.table_gpa:#x},force-raw=on"
    return (*kernel, "-device", loader)


def _channel(name: str, sockets: Path) -> tuple[str, ...]:
    return ("-chardev", f"socket,id={name},path={sockets / name}")


def _port(name: str, sockets: Path) -> tuple[str, ...]:
    device = f"virtserialport,chardev={name},name=cvm-audit.{name}.0"
    return (*_channel(name, sockets), "-device", device)
