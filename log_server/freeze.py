"""Closing a log for good: a marker in its directory that every writer obeys.

The published files stay as they are and can be read for ever; nothing in the marker is needed to
verify them. There is no way back in this program: a log that was said to be closed and then grows
is what its readers were told could not happen.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from log_server.durable import read_file, storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError, FrozenError
from verifier.tlog.merkle import TreeHead
from verifier.tlog.strict import excerpt

__all__ = ["MAX_REASON", "freeze", "require_not_frozen"]

MAX_REASON = 200
"""Characters of a reason."""


def freeze(marker: Path, *, tree: TreeHead, reason: str, now: datetime) -> None:
    """Write the marker, durably. The caller holds the lock of the log.

    Raises ConfigurationError for a reason that is not one printable line, StorageError.
    """
    if not reason.isprintable() or not 0 < len(reason) <= MAX_REASON:
        expected = f"one line of 1 to {MAX_REASON} printable characters"
        raise ConfigurationError("reason", expected=expected, got=excerpt(reason))
    since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    with storage_errors(marker.name):
        write_new(marker, f"size {tree.size} since {since}: {reason}\n".encode())
        sync_folder(marker.parent)


def require_not_frozen(marker: Path) -> None:
    """Raises FrozenError if there is a marker, whatever it holds; StorageError."""
    with storage_errors(marker.name):
        content = read_file(marker)
    if content is not None:
        raise FrozenError(
            "log is frozen",
            expected="a log that takes entries",
            got=excerpt(content.decode("utf-8", "replace").strip(), 2 * MAX_REASON),
            hint="its published files stay readable; start a new log with a name of its own",
        )
