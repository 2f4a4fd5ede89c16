"""What the log asks of its database: the promises, not the engine.

``Store`` holds what must never be lost (the entries and the head); the published files are a
rendering of it. A ``Transaction`` can only be had by naming the head that it starts from, so a
writer that did not read the present head cannot write.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from verifier.tlog.merkle import TreeHead

__all__ = ["Head", "Row", "Store", "Transaction", "milliseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """The one row that says what the log is.

    ``checkpoint`` is the signed note over ``tree``, byte for byte as it is (or will be)
    published; ``timestamp`` is when it was signed, in milliseconds since 1970 UTC.
    """

    tree: TreeHead
    checkpoint: bytes
    timestamp: int


class Row(NamedTuple):
    """A stored entry: its index, its bytes and the leaf hash that was stored beside them."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a row
    entry: bytes
    leaf_hash: bytes


def milliseconds(now: datetime) -> int:
    """An aware instant as milliseconds since 1970 UTC."""
    return (now - _EPOCH) // timedelta(milliseconds=1)


class Transaction(Protocol):
    """Writes that become durable together, or not at all."""

    def indices(self, leaf_hashes: tuple[bytes, ...]) -> dict[bytes, int]:
        """Index of each of ``leaf_hashes`` that is stored already."""

    def insert(self, rows: tuple[Row, ...]) -> None:
        """Append rows; their indices continue the log without a gap."""

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end`` as they are now stored, in order."""

    def advance(self, head: Head) -> None:
        """Replace the head by compare-and-swap. Raises HeadMovedError."""


class Store(Protocol):
    """The database of one log. Every method raises StorageError if the database does."""

    def head(self) -> Head:
        """The present head."""

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end``, in order."""

    def begin(self, *, expected: Head) -> AbstractContextManager[Transaction]:
        """Take the write lock; commit when the block ends, roll back if it raises.

        Raises HeadMovedError if the head is not ``expected``.
        """

    def close(self) -> None:
        """Release the database."""
