"""The launch measurement of files, by ``sev-snp-measure``.

That program is not ours: where it agrees with ``verifier.measurement`` two people have read the
specification alike. What a real secure processor does with the pages that it is given, this does
with the files that the virtual machine is given.
"""

from __future__ import annotations

from pathlib import Path

from sevsnpmeasure.guest import calc_launch_digest
from sevsnpmeasure.sev_mode import SevMode
from sevsnpmeasure.vcpu_types import CPU_SIGS

from verifier.errors import ParseError
from verifier.tlog.strict import parse_utf8

__all__ = ["VCPU_TYPES", "measure_launch"]

VCPU_TYPES = tuple(CPU_SIGS)
"""QEMU's names of vCPU types."""

_SNP_ACTIVE = 1


def measure_launch(
    *, firmware: Path, kernel: Path, initrd: Path, cmdline: Path, vcpus: int, vcpu_type: str
) -> bytes:
    """The launch digest (48 bytes) of a direct boot of these files under QEMU.

    ``cmdline`` holds the command line without a final NUL. Raises ParseError for files of which
    no launch can be made, OSError for those that cannot be read.
    """
    append = parse_utf8(cmdline.read_bytes(), what="command line")
    try:
        digest: bytes = calc_launch_digest(
            SevMode.SEV_SNP,
            vcpus,
            CPU_SIGS[vcpu_type],
            str(firmware),
            str(kernel),
            str(initrd),
            append,
            _SNP_ACTIVE,
        )
    except (ValueError, RuntimeError, KeyError) as error:
        expected = "files that sev-snp-measure can measure"
        raise ParseError("launch", expected=expected, got=str(error)[:200]) from None
    return digest
