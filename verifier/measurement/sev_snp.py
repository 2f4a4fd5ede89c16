"""The launch measurement of SEV-SNP guests: the public door of this room.

Bytes of firmware, kernel, initrd and command line, or published launch inputs, go in; the 48 bytes
come out that MEASUREMENT of an attestation report must show. Source: SEV-SNP firmware ABI (AMD
publication 56860), SNP_LAUNCH_UPDATE; edk2 and QEMU for what is added, and in which order.
"""

from __future__ import annotations

from verifier.measurement.kernel_hashes import KernelHashes
from verifier.measurement.launch_digest import launch_digest
from verifier.measurement.launch_inputs import (
    MAX_SVSM_VARIABLES_SIZE,
    MAX_VCPUS,
    SNP_ACTIVE,
    LaunchInputs,
    firmware_digest,
    firmware_pages,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
    svsm_pages,
)
from verifier.measurement.launch_inputs_document import (
    MAX_DOCUMENT_SIZE,
    SCHEMA,
    encode_launch_inputs,
    parse_launch_inputs,
)
from verifier.measurement.launch_search import LaunchHit, LaunchSearch, search_launches
from verifier.measurement.launch_trace import TracedPage, trace_launch
from verifier.measurement.matrix import encode_matrix, measurement_matrix
from verifier.measurement.ovmf import MAX_FIRMWARE_SIZE, OvmfMetadata, parse_ovmf, parse_svsm
from verifier.measurement.page_chain import DIGEST_SIZE, EMPTY_DIGEST
from verifier.measurement.sections import Section, SectionType
from verifier.measurement.vcpu_types import VCPU_SIGNATURES, vcpu_types_of
from verifier.measurement.vmm import Vmm

__all__ = [
    "DIGEST_SIZE",
    "EMPTY_DIGEST",
    "MAX_DOCUMENT_SIZE",
    "MAX_FIRMWARE_SIZE",
    "MAX_SVSM_VARIABLES_SIZE",
    "MAX_VCPUS",
    "SCHEMA",
    "SNP_ACTIVE",
    "VCPU_SIGNATURES",
    "KernelHashes",
    "LaunchHit",
    "LaunchInputs",
    "LaunchSearch",
    "OvmfMetadata",
    "Section",
    "SectionType",
    "TracedPage",
    "Vmm",
    "encode_launch_inputs",
    "encode_matrix",
    "firmware_digest",
    "firmware_pages",
    "launch_digest",
    "launch_inputs_from_binaries",
    "launch_inputs_from_svsm",
    "measurement_matrix",
    "parse_launch_inputs",
    "parse_ovmf",
    "parse_svsm",
    "search_launches",
    "svsm_pages",
    "trace_launch",
    "vcpu_types_of",
]
