"""The tables, and the triggers that keep them append-only."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
)

__all__ = ["ENTRIES", "HEAD", "SCHEMA", "SCHEMA_VERSION", "SQLITE_TRIGGERS"]

SCHEMA_VERSION = 1
"""Stored as SQLite's ``user_version``; another value is refused at start."""

SCHEMA = MetaData()

ENTRIES = Table(
    "entries",
    SCHEMA,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    # The full 256 bits: a shorter key can be made to collide, and then a submitter is told the
    # index of an entry that is not theirs (Sunlight v0.8.1, ANT-2026-88EWBS43).
    Column("leaf_hash", LargeBinary, nullable=False, unique=True),
    CheckConstraint('"index" >= 0', name="index_not_negative"),
    CheckConstraint(
        "typeof(entry) = 'blob' AND length(entry) BETWEEN 1 AND 65535", name="entry_size"
    ),
    CheckConstraint("typeof(leaf_hash) = 'blob' AND length(leaf_hash) = 32", name="leaf_size"),
)
"""Every entry, by its index in the log."""

HEAD = Table(
    "head",
    SCHEMA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint("size >= 0", name="size_not_negative"),
    CheckConstraint("typeof(root) = 'blob' AND length(root) = 32", name="root_size"),
)
"""The one head: size, root, signed checkpoint, and when it was signed (ms since 1970)."""

SQLITE_TRIGGERS = (
    """CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
       BEGIN SELECT RAISE(ABORT, 'entries is append-only: no UPDATE'); END""",
    """CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
       BEGIN SELECT RAISE(ABORT, 'entries is append-only: no DELETE'); END""",
    """CREATE TRIGGER entries_no_gap BEFORE INSERT ON entries
       WHEN NEW."index" != (SELECT coalesce(max("index"), -1) + 1 FROM entries)
       BEGIN SELECT RAISE(ABORT, 'entries is append-only: index out of order'); END""",
    """CREATE TRIGGER head_no_delete BEFORE DELETE ON head
       BEGIN SELECT RAISE(ABORT, 'head cannot be deleted'); END""",
    """CREATE TRIGGER head_only_grows BEFORE UPDATE ON head WHEN NEW.size < OLD.size
       BEGIN SELECT RAISE(ABORT, 'head cannot shrink'); END""",
)
"""A wrong statement, ours or an operator's, fails inside the database."""
