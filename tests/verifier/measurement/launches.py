"""Launches that the tests of the measurement room start from."""

from __future__ import annotations

from typing import Any

from tests.ovmf_image import build_ovmf
from verifier.measurement.sev_snp import LaunchInputs, Vmm, launch_inputs_from_binaries

__all__ = ["direct_boot", "disk_boot"]


def disk_boot(**changes: Any) -> LaunchInputs:
    """Two vCPUs, no kernel given to the VMM."""
    given: dict[str, Any] = {
        "firmware": build_ovmf(),
        "kernel": None,
        "initrd": None,
        "cmdline": None,
        "vcpus": 2,
        "vcpu_signature": 0x800F12,
        "guest_features": 0x1,
        "vmm": Vmm.QEMU,
    }
    return launch_inputs_from_binaries(**(given | changes))


def direct_boot(**changes: Any) -> LaunchInputs:
    """The same with kernel, initrd and command line."""
    parts = {"kernel": b"a kernel", "initrd": b"an initrd", "cmdline": b"console=ttyS0"}
    return disk_boot(**(parts | changes))
