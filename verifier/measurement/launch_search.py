"""Which nearby launch a measurement belongs to, when it is not the one that was expected.

The commonest reasons for a measurement that differs are another vCPU type, another number of vCPUs
and SEV_FEATURES that a newer host kernel sets on its own. Naming the one that fits turns "it
differs" into something to act on. It explains; it accepts nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product

from verifier.measurement.launch_digest import add_sections, digests_by_vcpus
from verifier.measurement.launch_inputs import LaunchInputs
from verifier.measurement.vcpu_types import VCPU_SIGNATURES
from verifier.measurement.vmm import Vmm

__all__ = ["MAX_SEARCHED_VCPUS", "matching_launches"]

MAX_SEARCHED_VCPUS = 64
"""Largest number of vCPUs that is tried besides the given one."""

# SNPActive alone, and with DebugSwap, which KVM turns on by default since Linux 6.6.
_USUAL_FEATURES = (0x1, 0x21)


def matching_launches(inputs: LaunchInputs, *, measurement: bytes) -> tuple[LaunchInputs, ...]:
    """The launches near ``inputs`` that have this 48-byte measurement; usually none or one.

    Tried: every known vCPU signature, 1 to MAX_SEARCHED_VCPUS vCPUs, the usual guest features,
    each besides the given one. Firmware, sections and kernel stay as they are.
    """
    # Firmware, sections and kernel do not depend on what varies, so they are measured once.
    start = add_sections(inputs)
    found: list[LaunchInputs] = []
    for signature, features in product(_signatures(inputs), _features(inputs)):
        candidate = replace(inputs, vcpu_signature=signature, guest_features=features)
        digests = islice(digests_by_vcpus(start, candidate), max(inputs.vcpus, MAX_SEARCHED_VCPUS))
        for vcpus, digest in enumerate(digests, start=1):
            if digest == measurement:
                found.append(replace(candidate, vcpus=vcpus))
    return tuple(found)


def _signatures(inputs: LaunchInputs) -> tuple[int, ...]:
    if inputs.vmm in (Vmm.EC2, Vmm.GCE):  # they do not measure it
        return (inputs.vcpu_signature,)
    return tuple(dict.fromkeys((inputs.vcpu_signature, *VCPU_SIGNATURES.values())))


def _features(inputs: LaunchInputs) -> tuple[int, ...]:
    if inputs.vmm is Vmm.QEMU_SVSM:  # they are fixed
        return (inputs.guest_features,)
    return tuple(dict.fromkeys((inputs.guest_features, *_USUAL_FEATURES)))
