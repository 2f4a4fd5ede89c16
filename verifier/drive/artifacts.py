"""The artifacts of a launch: read, compared with the release, and laid down for one boot.

What is hashed is what QEMU is handed: every file is copied into a folder that nobody else can
write, and the copies are read back and hashed there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from verifier.errors import FetchError, ParseError, VerificationError
from verifier.measurement.kernel_hashes import (
    HASH_TABLE_SIZE,
    MAX_COMMAND_LINE,
    hash_boot_files,
    kernel_hashes_page,
)
from verifier.measurement.ovmf import MAX_FIRMWARE_SIZE, parse_ovmf
from verifier.measurement.page_chain import PAGE_SIZE
from verifier.release.cvm_release import Artifact, CvmRelease
from verifier.release.entry import Entry

__all__ = [
    "FILES",
    "Artifacts",
    "Tamper",
    "check_artifacts",
    "hash_table",
    "launched_artifacts",
    "read_artifacts",
    "tampered",
]

FILES: Mapping[str, str] = {
    "firmware": "firmware.fd",
    "kernel": "kernel.bin",
    "initrd": "initrd.bin",
    "command-line": "command-line.txt",
}
"""Role of an artifact to its name in the folder of an image."""

_MAX_BOOT_FILE = 1024 * 1024 * 1024
_LIMITS = {"firmware": MAX_FIRMWARE_SIZE, "command-line": MAX_COMMAND_LINE}
_OBSOLETE_RAM_SIZE = 0x1F8  # Linux boot protocol: ram_size, "obsolete", read by nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """The bytes that one launch is made of; ``cmdline`` without a final NUL."""

    firmware: bytes
    kernel: bytes
    initrd: bytes
    cmdline: bytes

    def by_role(self) -> Mapping[str, bytes]:
        """The same bytes by the roles that a release gives them."""
        contents = (self.firmware, self.kernel, self.initrd, self.cmdline)
        return dict(zip(FILES, contents, strict=True))


class Tamper(StrEnum):
    """What is done to a launch that its firmware must then refuse.

    Each change means nothing to the kernel: a machine that does not check boots and serves, so
    only a check can be the reason of a refusal.
    """

    KERNEL = "kernel"
    INITRD = "initrd"
    COMMAND_LINE = "command-line"
    NO_TABLE = "no-table"


def read_artifacts(folder: Path) -> Artifacts:
    """Read the artifacts of ``folder``. Raises FetchError, and ParseError for one too long."""
    contents = [_read(folder / name, role) for role, name in FILES.items()]
    firmware, kernel, initrd, cmdline = contents
    return Artifacts(firmware=firmware, kernel=kernel, initrd=initrd, cmdline=cmdline)


def launched_artifacts(entry: Entry) -> Iterator[tuple[str, Artifact]]:
    """What a release launches, by role. The entry itself is judged elsewhere.

    Raises VerificationError for an entry that is no release, and for the first role that it does
    not name once.
    """
    release = entry.content
    if not isinstance(release, CvmRelease):
        raise VerificationError("entry", expected="a release", got=entry.kind)
    for role in FILES:
        stated = [each for each in release.artifacts if each.role == role]
        if len(stated) != 1:
            got = f"{len(stated)} of them"
            raise VerificationError(f"{role} of the release", expected="one artifact", got=got)
        yield role, stated[0]


def check_artifacts(artifacts: Artifacts, entry: Entry) -> None:
    """Refuse artifacts that are not those of a release's entry, by role and SHA-256.

    Raises VerificationError for the first that differs, and what ``launched_artifacts`` raises.
    """
    contents = artifacts.by_role()
    for role, artifact in launched_artifacts(entry):
        stated, digest = artifact.sha256.hex(), hashlib.sha256(contents[role]).hexdigest()
        if digest != stated:
            raise VerificationError(f"{role} to boot", expected=stated, got=digest)


def hash_table(artifacts: Artifacts) -> tuple[bytes, int]:
    """The hash table (176 bytes) that the firmware holds a boot to, and its address (GPA).

    Raises ParseError for firmware that looks at no table.
    """
    gpa = parse_ovmf(artifacts.firmware).hash_table_gpa
    if not gpa:
        expected = "an AmdSev build, which names the address of the hash table"
        raise ParseError("firmware", expected=expected, got="no address")
    hashes = hash_boot_files(
        kernel=artifacts.kernel, initrd=artifacts.initrd, cmdline=artifacts.cmdline
    )
    offset = gpa % PAGE_SIZE
    return kernel_hashes_page(hashes, table_gpa=gpa)[offset : offset + HASH_TABLE_SIZE], gpa


def tampered(artifacts: Artifacts, tamper: Tamper) -> Artifacts:
    """The launch after ``tamper``: one byte more or other, which no kernel minds.

    ``NO_TABLE`` changes no artifact. Raises ParseError for a kernel without setup header.
    """
    kernel, initrd, cmdline = artifacts.kernel, artifacts.initrd, artifacts.cmdline
    if tamper is Tamper.KERNEL:
        kernel = _flipped(kernel)
    elif tamper is Tamper.INITRD:
        initrd += b"\x00"  # padding, which may follow the last archive (initramfs buffer format)
    elif tamper is Tamper.COMMAND_LINE:
        cmdline += b" "
    return Artifacts(firmware=artifacts.firmware, kernel=kernel, initrd=initrd, cmdline=cmdline)


def _flipped(kernel: bytes) -> bytes:
    if kernel[0x202:0x206] != b"HdrS":
        got = kernel[0x202:0x206].hex() or "nothing"
        raise ParseError("kernel", expected="a bzImage (HdrS at 0x202)", got=got)
    place = _OBSOLETE_RAM_SIZE
    return kernel[:place] + bytes((kernel[place] ^ 1,)) + kernel[place + 1 :]


def _read(path: Path, role: str) -> bytes:
    limit = _LIMITS.get(role, _MAX_BOOT_FILE)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(path), expected=f"the {role}", got=got) from None
    if len(content) > limit:
        raise ParseError(str(path), expected=f"at most {limit} bytes", got="more")
    return content
