"""The toy CVM of the demo: bytes that measure like a real launch, and boot nowhere.

The firmware is noise with a genuine OVMF footer (edk2 OvmfPkg/ResetVector): the table of SEV
metadata, the address of the kernel-hashes page and the reset vector of the other vCPUs, so that
the launch measurement covers kernel, initrd and command line as it would on hardware.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["ARTIFACTS", "COMMAND_LINE", "statement"]

COMMAND_LINE = "console=ttyS0 panic=-1 mitigations=auto,nosmt"
_FIRMWARE_SIZE = 64 * 1024
_HASHES_PAGE = 0x810000
_HASHES_TABLE = 0x810C00
_RESET_EIP = 0x80B004
_ROLES = {
    "firmware.fd": "firmware",
    "kernel.bin": "kernel",
    "initrd.bin": "initrd",
    "command-line.txt": "command-line",
}


def _noise(name: str, size: int) -> bytes:
    """Bytes that look random and are the same everywhere."""
    return hashlib.shake_256(name.encode()).digest(size)


def _entry(guid: str, data: bytes) -> bytes:
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le


def _firmware() -> bytes:
    sections = (
        (0x800000, 0x9000, 1),  # SNP_SEC_MEM
        (0x80A000, 0x3000, 1),
        (0x80D000, 0x1000, 2),  # SNP_SECRETS
        (0x80E000, 0x1000, 3),  # CPUID
        (_HASHES_PAGE, 0x1000, 0x10),  # SNP_KERNEL_HASHES
    )
    items = b"".join(struct.pack("<III", *section) for section in sections)
    metadata = struct.pack("<4sIII", b"ASEV", 16 + len(items), 1, len(sections)) + items
    reset_vector = _noise("reset vector", 32)
    entries = (
        _entry("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", _HASHES_TABLE, 0x400)),
        _entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", _RESET_EIP)),
    )
    body = b"".join(entries)
    # The metadata is found by its distance from the end of the file, so it is placed first.
    tail = len(body) + 22 + 18 + len(reset_vector)
    body += _entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", tail + len(metadata)))
    footer = struct.pack("<H", len(body) + 18)
    footer += uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
    end = metadata + body + footer + reset_vector
    return _noise("firmware", _FIRMWARE_SIZE - len(end)) + end


ARTIFACTS: dict[str, bytes] = {
    "firmware.fd": _firmware(),
    "kernel.bin": _noise("kernel", 48 * 1024),
    "initrd.bin": _noise("initrd", 96 * 1024),
    "command-line.txt": COMMAND_LINE.encode(),
}
"""File name to content."""


def statement(measurement: str, version: str) -> dict[str, Any]:
    """The cvm-release/v1 statement of the toy, valid for a year."""
    expiry = datetime.now(UTC) + timedelta(days=365)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
            for name, content in ARTIFACTS.items()
        ],
        "predicateType": "urn:cvm-audit:cvm-release:v1",
        "predicate": {
            "role": "summariser",
            "product": "toy-cvm",
            "version": version,
            "securityVersion": 1,
            "artifacts": [
                {"name": name, "role": _ROLES[name], "size": len(content), "locations": []}
                for name, content in ARTIFACTS.items()
            ],
            "measurements": [
                {
                    "platform": "sev-snp",
                    "vmm": "qemu",
                    "vcpus": 2,
                    "vcpuSignature": "0x800f12",
                    "guestFeatures": "0x1",
                    "value": measurement,
                }
            ],
            "expectedEvidence": {
                "tees": ["sev-snp"],
                "gpus": [],
                "vmpls": [0],
                "guestPolicy": {"debug": False, "migrateMa": False},
                "minimumTcb": {"Milan": _FLOOR},
            },
            "build": {
                "recipe": "toy-cvm/1",
                "sourceSha256": hashlib.sha256(b"toy").hexdigest(),
                "lockSha256": hashlib.sha256(b"").hexdigest(),
            },
            "notAfter": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
        },
    }


_FLOOR = {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}
