"""What a release's recipe says of its rebuild: which inputs it is made from, and what is compiled.

A release from pinned binaries has one lock. One from source has a second, of the toolchain and the
sources, and needs neither the kernel nor the firmware of the first. The second lies in the source
tree, so that the logged source digest vouches for it. Source: docs/spec/image.md, "From source".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier.rebuild.inputs import LockLine, parse_lock_lines

__all__ = ["PINNED_BINARIES", "RECIPES", "TOOLCHAIN_LOCK", "RebuildLocks", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is compiled: kernel and firmware ``from_source``, ``byte_code`` of the program."""

    from_source: bool
    byte_code: bool

    @property
    def options(self) -> tuple[str, ...]:
        """What the builder is told."""
        given = {"--from-source": self.from_source, "--byte-code": self.byte_code}
        return tuple(option for option, asked in given.items() if asked)

    @property
    def compiles(self) -> bool:
        """Whether anything is compiled, in a sandbox within that of the rebuild."""
        return bool(self.options)


PINNED_BINARIES = Recipe(from_source=False, byte_code=False)
"""Nothing is compiled; also what is done for a recipe of another name.

Another source tree has a builder of its own, and names its recipes itself: the manifest of what
was built must then name the very one that the release does (`rebuild.recipe`).
"""

RECIPES = {
    "cvm-audit/reference-image/pinned-binaries/v1": PINNED_BINARIES,
    "cvm-audit/reference-image/pinned-binaries-byte-code/v1": Recipe(False, True),
    "cvm-audit/reference-image/from-source/v1": Recipe(True, False),
    "cvm-audit/reference-image/from-source-byte-code/v1": Recipe(True, True),
}
"""By what a release says of it. Source: docs/spec/image.md, "Recipes"."""

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
