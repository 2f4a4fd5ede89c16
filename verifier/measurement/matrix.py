"""The measurement matrix of a release: one row for each way in which it may be launched.

The document is an object whose one member, ``measurements``, is that of a ``cvm-release/v1``
predicate (schemas/cvm-release.v1.schema.json). Its reader is ``verifier.release.cvm_release``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from verifier.measurement.launch_digest import add_sections, digests_by_vcpus
from verifier.measurement.launch_inputs import MAX_VCPUS, LaunchInputs
from verifier.measurement.vmm import Vmm
from verifier.release.cvm_release import MeasurementRow
from verifier.release.release_statement import measurement_members

__all__ = ["MAX_ROWS", "encode_matrix", "measurement_matrix"]

MAX_ROWS = 1024
"""Most rows of a release."""

_PLATFORM = "sev-snp"


def measurement_matrix(
    inputs: LaunchInputs,
    *,
    vmms: tuple[Vmm, ...],
    vcpus: tuple[int, ...],
    signatures: tuple[int, ...],
    features: tuple[int, ...],
) -> tuple[MeasurementRow, ...]:
    """The rows of every combination, ordered by VMM, signature, features and vCPUs.

    Firmware, sections and kernel are those of ``inputs``. EC2 and GCE do not measure the vCPU
    signature: they have rows with signature 0 only, and QEMU one set for each of ``signatures``.
    Raises ValueError for more than MAX_ROWS rows, no rows, an SVSM (a release states none), and
    values outside their ranges (see LaunchInputs).
    """
    counts = tuple(sorted(set(vcpus)))
    if Vmm.QEMU_SVSM in (*vmms, inputs.vmm):
        raise ValueError("a release states no measurement of an SVSM")
    if counts and not 1 <= counts[0] <= counts[-1] <= MAX_VCPUS:
        raise ValueError(f"vCPUs outside 1 to {MAX_VCPUS}")
    launches = [
        replace(inputs, vmm=vmm, vcpu_signature=signature, guest_features=value)
        for vmm in sorted(set(vmms))
        for signature in (sorted(set(signatures)) if vmm is Vmm.QEMU else (0,))
        for value in sorted(set(features))
    ]
    size = len(launches) * len(counts)
    if not 1 <= size <= MAX_ROWS:
        raise ValueError(f"{size} rows, not 1 to {MAX_ROWS}")
    return tuple(row for launch in launches for row in _rows(launch, counts))


def _rows(launch: LaunchInputs, counts: tuple[int, ...]) -> Iterator[MeasurementRow]:
    digests = islice(digests_by_vcpus(add_sections(launch), launch), counts[-1])
    for vcpus, digest in enumerate(digests, start=1):
        if vcpus in counts:
            yield MeasurementRow(
                platform=_PLATFORM,
                vmm=str(launch.vmm),
                vcpus=vcpus,
                vcpu_signature=launch.vcpu_signature,
                guest_features=launch.guest_features,
                value=digest,
            )


def encode_matrix(rows: tuple[MeasurementRow, ...]) -> bytes:
    """The document, indented by two, in ASCII, ending in a newline."""
    members = {"measurements": measurement_members(rows)}
    return (json.dumps(members, indent=2) + "\n").encode("ascii")
