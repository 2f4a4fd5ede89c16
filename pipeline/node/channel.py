"""A byte channel to the host: a virtio-serial port in a guest, a Unix socket elsewhere.

Everything has a deadline (``time.monotonic``), because whoever holds the other end may be silent.
"""

from __future__ import annotations

import os
import select
import struct
import time

from verifier.errors import FetchError, ParseError

__all__ = ["Channel"]

_LENGTH = struct.Struct("< I")
_PAUSE = 0.05  # seconds between looks at a port whose other end nobody holds yet


class Channel:
    """Owns ``descriptor``, which must not block. ``what`` names the channel in errors.

    A port of a guest reads as ended until the host opens its end: there ``ends`` is False, and the
    channel waits until the deadline. A socket that ended stays so.
    """

    def __init__(self, descriptor: int, *, what: str, ends: bool) -> None:
        self._descriptor = descriptor
        self._what = what
        self._ends = ends

    def send(self, content: bytes, *, deadline: float) -> None:
        """Write all of ``content``. Raises FetchError."""
        left = memoryview(content)
        while left:
            self._wait(select.POLLOUT, deadline)
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                time.sleep(_PAUSE)
            except OSError as error:
                raise self._silent("a reader", error.strerror or "an error") from error

    def receive(self, size: int, *, deadline: float) -> bytes:
        """Read exactly ``size`` bytes. Raises FetchError."""
        content = bytearray()
        while len(content) < size:
            self._wait(select.POLLIN, deadline)
            try:
                part = os.read(self._descriptor, size - len(content))
            except BlockingIOError:
                time.sleep(_PAUSE)
                continue
            except OSError as error:
                raise self._silent(f"{size} bytes", error.strerror or "an error") from error
            if not part and self._ends:
                raise self._silent(f"{size} bytes", f"the end after {len(content)}")
            if not part:
                time.sleep(_PAUSE)
            content += part
        return bytes(content)

    def receive_field(self, *, fewest: int, most: int, deadline: float) -> bytes:
        """Read a length (4 bytes, little-endian) and that many bytes.

        Raises ParseError for a length out of bounds, before anything is read; FetchError.
        """
        (size,) = _LENGTH.unpack(self.receive(_LENGTH.size, deadline=deadline))
        if not fewest <= size <= most:
            expected = f"{fewest} to {most} bytes"
            raise ParseError(f"length on {self._what}", expected=expected, got=f"{size}")
        return self.receive(size, deadline=deadline)

    def require_silence(self) -> None:
        """Raise ParseError if something waits to be read: it would be taken for the next answer."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if any(event & select.POLLIN for _, event in poll.poll(0)):
            raise ParseError(self._what, expected="nothing before the question", got="bytes")

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _wait(self, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._descriptor, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise self._silent("an answer in time", "none")

    def _silent(self, expected: str, got: str) -> FetchError:
        return FetchError(self._what, expected=expected, got=got)
