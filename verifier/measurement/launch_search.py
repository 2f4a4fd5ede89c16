"""Which nearby launch a measurement belongs to, when it is not the one that was expected.

The commonest reasons for a measurement that differs are another vCPU type, another number of vCPUs
and SEV_FEATURES that a newer host kernel sets on its own; then another launcher, and a kernel that
was not measured. Naming the one that fits turns "it differs" into something to act on. It explains;
it accepts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice, product

from verifier.measurement.kernel_hashes import KernelHashes
from verifier.measurement.launch_digest import add_sections, digests_by_vcpus
from verifier.measurement.launch_inputs import LaunchInputs
from verifier.measurement.vcpu_types import VCPU_SIGNATURES, vcpu_types_of
from verifier.measurement.vmm import Vmm

__all__ = [
    "MAX_SEARCHED_VCPUS",
    "SEARCHED_FEATURES",
    "LaunchHit",
    "LaunchSearch",
    "search_launches",
]

MAX_SEARCHED_VCPUS = 512
"""Largest number of vCPUs that is tried, unless the given one is larger."""

SEARCHED_FEATURES = (0x1, 0x21, 0x5, 0x9, 0x11, 0x29, 0x31, 0x201, 0x221, 0x4001, 0x8001)
"""SEV_FEATURES that are tried besides the given ones.

SNPActive alone; with DebugSwap, which KVM turns on by default since Linux 6.6; with ReflectVC,
restricted or alternate injection, SecureTSC, VmsaRegProt or SmtProtection; and mixtures of these
with DebugSwap. Source: AMD64 Architecture Programmer's Manual, volume 2, SEV_FEATURES.
"""

_MAX_STEPS = 400_000
"""Most save areas that one search adds: about a second."""

_EMPTY_FILE = sha256(b"").digest()
_EMPTY_COMMAND_LINE = sha256(b"\x00").digest()


@dataclass(frozen=True, slots=True)
class LaunchHit:
    """A launch that has the measurement, and in which words it differs from the given one."""

    inputs: LaunchInputs
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.differences) or "exactly the given launch"


@dataclass(frozen=True, slots=True)
class LaunchSearch:
    """What a search found, nearest first; ``tried`` launches, and what they were in words."""

    hits: tuple[LaunchHit, ...]
    tried: int
    scope: str


def search_launches(
    inputs: LaunchInputs, *, measurement: bytes, max_steps: int = _MAX_STEPS
) -> LaunchSearch:
    """The launches near ``inputs`` that have this 48-byte measurement; usually none or one.

    Tried: 1 to MAX_SEARCHED_VCPUS vCPUs, every known vCPU signature, SEARCHED_FEATURES, the page
    order and registers of QEMU, EC2 and GCE, and the same launch without kernel hashes, initrd or
    command line; each besides what is given. Firmware and sections stay as they are. Those with
    the fewest differences come first, and the search ends when ``max_steps`` launches are tried.
    """
    most = max(inputs.vcpus, MAX_SEARCHED_VCPUS)
    starts: dict[tuple[Vmm, KernelHashes | None], bytes] = {}
    hits: list[LaunchHit] = []
    tried = 0
    for candidate in _candidates(inputs):
        if tried + most > max_steps:
            break
        # What comes before the save areas does not depend on the rest, so it is measured once.
        key = (candidate.vmm, candidate.kernel_hashes)
        start = starts.get(key) or add_sections(candidate)
        starts[key] = start
        for vcpus, digest in enumerate(islice(digests_by_vcpus(start, candidate), most), start=1):
            if digest == measurement:
                found = replace(candidate, vcpus=vcpus)
                hits.append(LaunchHit(found, _differences(found, inputs)))
        tried += most
    ordered = sorted(hits, key=lambda hit: len(hit.differences))
    return LaunchSearch(tuple(ordered), tried, _scope(inputs, most))


def _candidates(inputs: LaunchInputs) -> list[LaunchInputs]:
    """Every combination but that of vCPUs, with the fewest differences first."""
    found = [
        replace(
            inputs,
            vmm=vmm,
            vcpu_signature=signature,
            guest_features=features,
            kernel_hashes=hashes,
        )
        for vmm in _vmms(inputs)
        for signature, features, hashes in product(
            _signatures(inputs, vmm), _features(inputs), _kernels(inputs)
        )
    ]
    return sorted(found, key=lambda candidate: len(_differences(candidate, inputs)))


def _vmms(inputs: LaunchInputs) -> tuple[Vmm, ...]:
    if inputs.vmm is Vmm.QEMU_SVSM:  # it starts another image, so no other one is near
        return (inputs.vmm,)
    return tuple(dict.fromkeys((inputs.vmm, Vmm.QEMU, Vmm.EC2, Vmm.GCE)))


def _signatures(inputs: LaunchInputs, vmm: Vmm) -> tuple[int, ...]:
    if vmm in (Vmm.EC2, Vmm.GCE):  # they do not measure it
        return (inputs.vcpu_signature,)
    return tuple(dict.fromkeys((inputs.vcpu_signature, *VCPU_SIGNATURES.values())))


def _features(inputs: LaunchInputs) -> tuple[int, ...]:
    if inputs.vmm is Vmm.QEMU_SVSM:  # they are fixed
        return (inputs.guest_features,)
    return tuple(dict.fromkeys((inputs.guest_features, *SEARCHED_FEATURES)))


def _kernels(inputs: LaunchInputs) -> tuple[KernelHashes | None, ...]:
    hashes = inputs.kernel_hashes
    if hashes is None:
        return (None,)
    without_cmdline = replace(hashes, cmdline=_EMPTY_COMMAND_LINE)
    variants = (
        hashes,
        replace(hashes, initrd=_EMPTY_FILE),
        without_cmdline,
        replace(without_cmdline, initrd=_EMPTY_FILE),
        None,
    )
    return tuple(dict.fromkeys(variants))


def _differences(found: LaunchInputs, given: LaunchInputs) -> tuple[str, ...]:
    return tuple(_differing(found, given))


def _differing(found: LaunchInputs, given: LaunchInputs) -> Iterator[str]:
    if found.vcpus != given.vcpus:
        yield f"{found.vcpus} vCPUs instead of {given.vcpus}"
    if found.vcpu_signature != given.vcpu_signature:
        named, other = (_vcpu_type(each.vcpu_signature) for each in (found, given))
        yield f"vCPU type {named} instead of {other}"
    if found.guest_features != given.guest_features:
        yield f"guest features {found.guest_features:#x} instead of {given.guest_features:#x}"
    if found.vmm is not given.vmm:
        yield f"launched by {found.vmm} instead of {given.vmm}"
    mine, theirs = found.kernel_hashes, given.kernel_hashes
    if theirs is not None and mine is None:
        yield "without kernel hashes, so that neither kernel nor initrd nor command line count"
    elif theirs is not None and mine is not None:
        if mine.initrd != theirs.initrd:
            yield "without initrd"
        if mine.cmdline != theirs.cmdline:
            yield "with an empty command line"


def _vcpu_type(signature: int) -> str:
    names = vcpu_types_of(signature)
    return f"{names[0]} ({signature:#x})" if names else f"{signature:#x}"


def _scope(inputs: LaunchInputs, most: int) -> str:
    features = " ".join(f"{value:#x}" for value in _features(inputs))
    kernels = "" if inputs.kernel_hashes is None else ", with less of the kernel measured"
    return (
        f"1 to {most} vCPUs, the known vCPU types, guest features {features}, "
        f"launched by {' or '.join(_vmms(inputs))}{kernels}"
    )
