"""The guest's channel to the simulated secure processor: a Unix socket on the host.

QEMU connects it to the virtio-serial port ``cvm-audit.processor.0``. The guest writes 64 bytes of
REPORT_DATA; the answer is the report and the certificate table, each behind its length (4 bytes,
little-endian). One request at a time, as on the real device.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.platform.secure_processor import (
    REPORT_DATA_SIZE,
    SecureProcessor,
    certificate_table,
)

__all__ = ["answer_guests", "listening"]

_LENGTH = struct.Struct("< I")


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket at ``path`` that only its owner can connect to. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        try:
            listener.listen(1)
            yield listener
        finally:
            path.unlink(missing_ok=True)


def answer_guests(listener: socket.socket, processor: SecureProcessor) -> None:
    """Answer one connection after the other, until the process is ended."""
    table = certificate_table(processor.vek)
    while True:
        connection, _ = listener.accept()
        with connection:
            _answer(connection, processor, table)


def _answer(connection: socket.socket, processor: SecureProcessor, table: bytes) -> None:
    try:
        while len(asked := _receive(connection)) == REPORT_DATA_SIZE:
            report = processor.report(asked)
            fields = (report, table)
            connection.sendall(b"".join(_LENGTH.pack(len(field)) + field for field in fields))
    except (BrokenPipeError, ConnectionResetError):
        return  # the guest is gone, which is how every boot ends


def _receive(connection: socket.socket) -> bytes:
    asked = b""
    while len(asked) < REPORT_DATA_SIZE:
        part = connection.recv(REPORT_DATA_SIZE - len(asked))
        if not part:
            break
        asked += part
    return asked
