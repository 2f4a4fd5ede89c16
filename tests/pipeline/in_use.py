"""How much memory a process of this project has in use: allocated and not freed, to the byte.

Resident memory has in it what was freed and the allocator keeps, and grows for tens of thousands of
requests without a leak, ever more slowly. In use is what glibc counts once everything is asked of
it (``PYTHONMALLOC=malloc``), no thread keeps freed pieces for itself (``tcache_count=0``), the
garbage collector has come, and Python's own caches are empty. What a leak holds stays in it.

    python -m tests.pipeline.in_use OPTION... FILE      # a node that tells

A process that tells writes the number to its file at SIGUSR1.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

from pipeline.node.cli import main
from tests.pipeline.roles import until

__all__ = ["AVAILABLE", "ENVIRONMENT", "in_use", "patch", "tell"]

AVAILABLE = hasattr(ctypes.CDLL(None), "mallinfo2")
"""Whether this C library counts: glibc since 2.33."""

ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
}
"""What a process has to be started with."""

_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]


def tell(file: Path) -> None:
    """Let this process write to ``file``, at SIGUSR1, how many bytes it has in use."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo2
    forget = vars(sys).get("_clear_internal_caches") or sys._clear_type_cache  # since 3.13; before

    def write(*_: object) -> None:
        gc.collect()  # and with it what Python keeps of freed tuples, up to 2000 of a length
        forget()  # names of attributes, up to 4096
        counted = mallinfo2()
        part = file.with_suffix(".part")
        part.write_text(f"{counted.uordblks + counted.hblkhd}")
        part.rename(file)

    signal.signal(signal.SIGUSR1, write)


def patch(file: Path) -> str:
    """Python that makes a role tell, for ``tests.pipeline.roles.running``."""
    return (
        "from pathlib import Path\nfrom tests.pipeline.in_use import tell\n"
        f"tell(Path({str(file)!r}))"
    )


def in_use(process: int, file: Path) -> int:
    """The bytes that a process which tells has in use now."""
    file.unlink(missing_ok=True)
    os.kill(process, signal.SIGUSR1)
    until(file.exists)
    return int(file.read_text())


if __name__ == "__main__":
    *words, told = sys.argv[1:]
    tell(Path(told))
    sys.exit(main(words))
