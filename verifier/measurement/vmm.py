"""Which virtual machine monitor launches the guest: it decides page order and register state."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Vmm"]


class Vmm(StrEnum):
    """A way of launching whose pages and registers are known.

    ``QEMU_SVSM`` is QEMU with a Coconut SVSM image below the firmware, which starts first.
    """

    QEMU = "qemu"
    EC2 = "ec2"
    GCE = "gce"
    QEMU_SVSM = "qemu-svsm"
