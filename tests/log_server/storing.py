"""Shared by the tests of databases: heads and rows that no log signed, and one commit of them."""

from __future__ import annotations

from log_server.store.contract import Head, Row, Store
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead, leaf_hash

__all__ = ["EMPTY", "append", "head_of", "rows_of"]

EMPTY = Head(TreeHead(0, EMPTY_ROOT), b"checkpoint 0", 1000)


def head_of(size: int, *, root: bytes = b"r" * 32) -> Head:
    return Head(TreeHead(size, root), b"checkpoint %d" % size, 1000 + size)


def rows_of(start: int, count: int) -> tuple[Row, ...]:
    entries = [b"entry-%d" % number for number in range(start, start + count)]
    return tuple(Row(start + n, entry, leaf_hash(entry)) for n, entry in enumerate(entries))


def append(store: Store, head: Head, rows: tuple[Row, ...]) -> Head:
    """Commit ``rows`` after ``head``; the new head."""
    new = head_of(rows[-1].index + 1)
    with store.begin(expected=head) as transaction:
        transaction.insert(rows)
        transaction.advance(new)
    return new
