"""What a log signed that cannot be extended from what the witness cosigned: kept, never cosigned.

One JSON object a line, on the disk before the answer. Two roots of one size prove a fork; a proof
that fails proves nothing yet, because anyone may send a bad proof with a true checkpoint, but the
checkpoint is kept for whoever can ask the log for the right one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from log_server.durable import storage_errors, sync_folder

__all__ = ["EvidenceFile", "ForkAttempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkAttempt:
    """An offered checkpoint and the cosigned one that it does not extend, both as received.

    ``fork`` says that they alone prove two trees; else ``proof`` failed from ``old``.
    """

    time: datetime
    origin: str
    fork: bool
    cosigned: bytes
    offered: bytes
    old: int
    proof: tuple[bytes, ...]

    def encode(self) -> bytes:
        """As a line of JSON."""
        members = {
            "time": f"{self.time:%Y-%m-%dT%H:%M:%SZ}",
            "origin": self.origin,
            "fork": self.fork,
            "cosigned": self.cosigned.decode(),
            "offered": self.offered.decode(),
            "old": self.old,
            "proof": [base64.b64encode(value).decode("ascii") for value in self.proof],
        }
        return json.dumps(members, ensure_ascii=False).encode() + b"\n"


class EvidenceFile:
    """An append-only file of fork attempts. Used by many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: set[bytes] = set()

    def add(self, attempt: ForkAttempt) -> None:
        """Append an attempt, durably; one text is kept once a run. Raises StorageError.

        Only what a log signed comes here, so a stranger cannot make the file grow: the text is
        what counts, not the signature lines of others that may stand below it.
        """
        text = attempt.offered.rpartition(b"\n\n")[0]
        known = hashlib.sha256(bytes([attempt.fork]) + text).digest()
        with self._lock, storage_errors(self._path.name):
            if known in self._known:
                return
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o644)
            try:
                rest = memoryview(attempt.encode())
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self._path.parent)
            self._known.add(known)
