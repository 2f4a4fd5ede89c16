"""An order to end (SIGTERM) does what Ctrl-C does: all unwinds, and nothing is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["unwinding_on_terminate"]


@contextmanager
def unwinding_on_terminate() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt in the block; in the main thread alone it can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
