"""The hardware-signed Milan report of the vectors, and the launch inputs published with it.

Source: Dstack-TEE/dstack; the manifest of the vectors names commit and licence.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from verifier.measurement.sev_snp import SCHEMA, SectionType

_REPORT_OFFSET = 4
_REPORT_SIZE = 1184


def dstack_report(vectors: Path) -> bytes:
    """The report, out of the container that it was published in."""
    raw = (vectors / "snp" / "measurement" / "dstack_milan_attestation.bin").read_bytes()
    return raw[_REPORT_OFFSET : _REPORT_OFFSET + _REPORT_SIZE]


def dstack_document(vectors: Path) -> bytes:
    """The launch inputs that dstack publishes, said in this project's document."""
    path = vectors / "snp" / "measurement" / "dstack_milan_inputs.json"
    dstack = json.loads(path.read_text("utf-8"))
    assert dstack["vcpu_type"] == "EPYC-v4"
    sections = [
        {
            "type": SectionType(section["section_type"]).name,
            "gpa": hex(section["gpa"]),
            "size": hex(section["size"]),
        }
        for section in dstack["ovmf_sections"]
    ]
    document = {
        "schema": SCHEMA,
        "vmm": "qemu",
        "vcpus": dstack["vcpus"],
        "vcpuSignature": "0x800f12",
        "guestFeatures": hex(dstack["guest_features"]),
        "firmwareDigest": dstack["ovmf_hash"],
        "sections": sections,
        "resetEip": hex(dstack["sev_es_reset_eip"]),
        "hashTableGpa": hex(dstack["sev_hashes_table_gpa"]),
        "kernelHashes": {
            "kernel": dstack["kernel_hash"],
            "initrd": dstack["initrd_hash"],
            "cmdline": sha256(dstack["base_cmdline"].encode() + b"\0").hexdigest(),
        },
    }
    return json.dumps(document).encode()
