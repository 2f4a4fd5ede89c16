"""Writes newc archives for tests, field by field, also wrong ones."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import Any

__all__ = ["FILE", "FOLDER", "LINK", "TRAILER", "archive", "record", "tree"]

FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
_FIELDS = (
    *("ino", "mode", "uid", "gid", "nlink", "mtime", "size"),
    *("devmajor", "devminor", "rdevmajor", "rdevminor", "namesize", "check"),
)


def record(name: str | bytes, content: bytes = b"", mode: int = FILE, **fields: int) -> bytes:
    """One entry; keyword arguments replace fields of its header."""
    stored = (name.encode() if isinstance(name, str) else name) + b"\0"
    values: dict[str, int] = dict.fromkeys(_FIELDS, 0)
    values |= {"mode": mode, "nlink": 1, "size": len(content), "namesize": len(stored)} | fields
    head = b"070701" + b"".join(b"%08x" % values[field] for field in _FIELDS) + stored
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


TRAILER = record("TRAILER!!!", mode=0)


def archive(*records: bytes) -> bytes:
    """Records and the trailer."""
    return b"".join([*records, TRAILER])


def tree(files: Mapping[str, Any]) -> bytes:
    """An archive of files: path to bytes, or to (mode, bytes), or to (mode, bytes, fields)."""
    records: dict[str, bytes] = {}
    for path, value in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            records.setdefault(folder, record(folder, mode=FOLDER, nlink=2))
        mode, content, *more = value if isinstance(value, tuple) else (FILE, value)
        records[path] = record(path, content, mode, **(more[0] if more else {}))
    return archive(*records.values())
