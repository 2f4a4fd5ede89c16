"""What this host can run guests with. What a run is worth follows in the verdict, as its level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from verifier.evidence.drive_record import Accelerator

__all__ = ["THIS_HOST", "Accelerator", "Host", "accelerators"]


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
