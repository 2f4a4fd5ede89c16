"""How much of a real launch a run was. It is said with the verdict, and never rounded up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["THIS_HOST", "Accelerator", "Host", "Level", "accelerators"]


class Level(StrEnum):
    """What stood between the logged bytes and the answer, strongest first.

    ``SNP_HARDWARE``: an SEV-SNP launch on this host. ``EMULATED_ENFORCED``: an emulated machine
    whose firmware was *seen* to refuse other bytes than those of the hash table. ``EMULATED``: the
    same machine, and nobody tried other bytes. ``PROCESS``: the unpacked image as processes of
    this host; no firmware, no measured boot.
    """

    SNP_HARDWARE = "snp-hardware"
    EMULATED_ENFORCED = "emulated-enforced"
    EMULATED = "emulated"
    PROCESS = "process"


class Accelerator(StrEnum):
    """What runs the code of the guest: QEMU in three ways, or bubblewrap without a machine."""

    SNP = "snp"
    KVM = "kvm"
    TCG = "tcg"
    BWRAP = "bwrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a Linux host says what it can do."""

    cpuinfo: Path
    kvm: Path
    snp: Path
    sev: Path


THIS_HOST = Host(
    cpuinfo=Path("/proc/cpuinfo"),
    kvm=Path("/dev/kvm"),
    snp=Path("/sys/module/kvm_amd/parameters/sev_snp"),
    sev=Path("/dev/sev"),
)


def accelerators(host: Host) -> tuple[Accelerator, ...]:
    """What is worth trying on ``host``, strongest first; emulation is always there.

    /dev/kvm alone means nothing: with a host kernel that has no hardware to run guests on (such as
    kvm-pvm) it opens, creates a machine, and hangs every stock kernel. The CPU must say vmx or svm.
    """
    kvm = _has_virtualization(host.cpuinfo) and _is_writable(host.kvm)
    snp = kvm and _reads(host.snp) == "Y" and _is_writable(host.sev)
    found = ((Accelerator.SNP, snp), (Accelerator.KVM, kvm), (Accelerator.TCG, True))
    return tuple(accelerator for accelerator, there in found if there)


def _has_virtualization(cpuinfo: Path) -> bool:
    lines = [line.split() for line in _reads(cpuinfo).splitlines() if line.startswith("flags")]
    return any(word in ("vmx", "svm") for words in lines for word in words)


def _is_writable(device: Path) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


def _reads(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError:
        return ""
