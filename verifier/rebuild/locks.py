"""The locks of a rebuild: which inputs a release is made from, by what its recipe is.

A release from pinned binaries has one lock. One from source has a second, of the toolchain and the
sources, and needs neither the kernel nor the firmware of the first. The second lies in the source
tree, so that the logged source digest vouches for it. Source: docs/spec/image.md, "From source".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier.rebuild.inputs import LockLine, parse_lock_lines

__all__ = ["FROM_SOURCE_RECIPE", "TOOLCHAIN_LOCK", "RebuildLocks"]

FROM_SOURCE_RECIPE = "cvm-audit/reference-image/from-source/v1"
"""What a release says of its recipe whose kernel and firmware were compiled."""

TOOLCHAIN_LOCK = "toolchain.lock"
_LOCK = "inputs.lock"
_NOT_COMPILED = ("firmware", "kernel")  # roles of the first lock


@dataclass(frozen=True, slots=True)
class RebuildLocks:
    """The bytes of the locks; ``toolchain`` is None where nothing is compiled."""

    image: bytes
    toolchain: bytes | None

    @property
    def files(self) -> Mapping[str, bytes]:
        """The locks by file name."""
        second = {} if self.toolchain is None else {TOOLCHAIN_LOCK: self.toolchain}
        return {_LOCK: self.image, **second}

    def lines(self) -> tuple[LockLine, ...]:
        """Every input that the build needs, each file once. Raises ParseError."""
        lines = parse_lock_lines(self.image)
        if self.toolchain is None:
            return lines
        compiled = parse_lock_lines(self.toolchain, what=TOOLCHAIN_LOCK)
        kept = [line for line in lines if line.role not in _NOT_COMPILED]
        return tuple({line.sha256: line for line in (*compiled, *kept)}.values())
