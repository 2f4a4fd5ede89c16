"""The one writer: gives entries their index, signs the new tree, publishes it.

The order of a commit, and what a crash after each step leaves behind:

1. In one transaction, under the write lock: look up duplicates, insert the entries, read them
   back, hash everything a second time from what was read back and from the files on the disk,
   sign the checkpoint, and store it with the head by compare-and-swap. A crash before COMMIT
   leaves nothing: no index was given, no signature left this memory.
2. Write bundles and tiles. A crash leaves a database that is ahead of the files: everything
   needed to make the very same files is in it.
3. Read the files back and compare the root with the signed one.
4. Write the anchor, then the published checkpoint. A crash leaves one or both at the older
   checkpoint, which is still true. In a log with a witness policy the witnesses come between:
   they get nothing that is not anchored, and while too few of them cosign, the head stays durable
   and unpublished, nobody is told an index, and every further commit and every start asks again.
   A commit also asks again, of no entries too, when what is published needs newer cosignatures.
5. Return, and only now is anybody told an index. A crash before that leaves an entry that is in
   the log and not acknowledged; submitting it again gives its index.

Before step 1, and before anything is touched, a batch is refused without harm while the disk has
less free space than the floor, or while the clock is behind the head: the timestamp of a head says
when it was signed, and must not say that a larger tree is older. When the disk has room and the
clock has caught up, the same sequencer goes on.

There is never a second signature for a size: the checkpoint becomes durable with the head that it
signs or not at all, the head only moves by compare-and-swap, and recovery publishes the stored
bytes instead of signing again. After any failure the sequencer refuses to go on, because what is
in memory may no longer be what is on the disk; starting again runs ``recovery``, which
uses the functions of this path.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from log_server.anchor import Anchor
from log_server.errors import ClockError, DamagedError, QuorumError, StoppedError
from log_server.floor import DiskFloor
from log_server.publication import publish_files, published_edge, settle, show
from log_server.publisher import Publisher
from log_server.recovery import recover
from log_server.signer import Signer, sign_checkpoint
from log_server.store.contract import Head, Row, Store, Transaction, milliseconds
from log_server.tree import Growth, grow, grown_tree
from log_server.witnessing import UNWITNESSED, Witnessing
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash

__all__ = ["Sequenced", "Sequencer"]


@dataclass(frozen=True, slots=True)
class Sequenced:
    """Indices of the entries of a batch, in its order, and a published checkpoint over them."""

    indices: tuple[int, ...]
    tree: TreeHead
    checkpoint: bytes


class Sequencer:
    """Appends to one log. Used by one thread at a time; the caller holds the lock of the log."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        anchor: Anchor,
        signers: tuple[Signer, ...],
        floor: DiskFloor,
        witnessing: Witnessing = UNWITNESSED,
    ) -> None:
        """Check and repair what is on the disk; see ``recovery.recover`` for what it raises."""
        self._store = store
        self._publisher = publisher
        self._anchor = anchor
        self._signers = signers
        self._floor = floor
        self._witnessing = witnessing
        keys = tuple(signer.key for signer in signers)
        self._head, self._edge = recover(store=store, publisher=publisher, anchor=anchor, keys=keys)
        self._checkpoint: bytes | None = None
        self._sound = True
        with suppress(QuorumError):  # kept for ``require_published``; the next commit tries again
            self._show()

    @property
    def head(self) -> Head:
        """The head that is durable, and published unless ``require_published`` says why not."""
        return self._head

    @property
    def witnessing(self) -> Witnessing:
        """What cosigns the head."""
        return self._witnessing

    def idle_seconds(self) -> float | None:
        """See ``intake.Committer.idle_seconds``."""
        return 0.0 if self._checkpoint is None else self._witnessing.due_seconds()

    def require_published(self) -> None:
        """Raises QuorumError while too few witnesses cosigned the head. For any thread."""
        failure = self._witnessing.failure
        if failure is not None:
            raise failure

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        """Make entries, of 1 to 65,535 bytes each, durable and published.

        An entry that is in the log keeps its first index. Raises DiskSpaceError or ClockError, or
        QuorumError when the entries are durable and not published, and can be called again;
        StoppedError after an earlier failure, and any other LogError as that failure.
        """
        if not self._sound:
            raise StoppedError("log", expected="no earlier failure", got="a failed commit")
        self._floor.require()
        self._require_progress(now)
        self._sound = False
        leaves = tuple(map(leaf_hash, entries))
        with self._store.begin(expected=self._head) as transaction:
            known = transaction.indices(tuple(dict.fromkeys(leaves)))
            rows = _new_rows(entries, leaves, known, start=self._head.tree.size)
            advance = self._advance(transaction, rows, now) if rows else None
        # Crash here: the database is ahead of the published files (step 2).
        if advance is not None:
            growth, head = advance
            publish_files(self._publisher, growth.files)
            self._edge = settle(head, publisher=self._publisher, anchor=self._anchor)
            self._head = head
            self._checkpoint = None
        checkpoint = self._show()
        known.update((row.leaf_hash, row.index) for row in rows)
        indices = tuple(known[leaf] for leaf in leaves)
        return Sequenced(indices, self._head.tree, checkpoint)

    def _show(self) -> bytes:
        self._sound = False
        try:
            if self._checkpoint is None or self._witnessing.due_seconds() == 0:
                self._checkpoint = show(
                    self._head, publisher=self._publisher, witnessing=self._witnessing
                )
        except QuorumError:
            # Durable, anchored, complete, and only not published: the next commit goes on.
            self._sound = True
            raise
        self._sound = True
        return self._checkpoint

    def _require_progress(self, now: datetime) -> None:
        if milliseconds(now) < self._head.timestamp:
            raise ClockError(
                "clock",
                expected=f"at least {self._head.timestamp} ms since 1970, when the head was signed",
                got=f"{milliseconds(now)} ms",
                hint="time did not progress: set the clock, or wait until it has caught up",
            )

    def _advance(
        self, transaction: Transaction, rows: tuple[Row, ...], now: datetime
    ) -> tuple[Growth, Head]:
        transaction.insert(rows)
        growth = grow(
            self._edge,
            entries=[row.entry for row in rows],
            leaf_hashes=[row.leaf_hash for row in rows],
        )
        start = self._head.tree.size
        stored = transaction.rows(start, start + len(rows))
        self._require_second_opinion(growth.edge.tree, rows, stored)
        origin = self._signers[0].key.name
        checkpoint = Checkpoint(origin=origin, tree=growth.edge.tree, extensions=())
        head = Head(
            growth.edge.tree,
            sign_checkpoint(checkpoint, self._signers),
            milliseconds(now),
        )
        transaction.advance(head)
        return growth, head

    def _require_second_opinion(
        self, tree: TreeHead, rows: tuple[Row, ...], stored: tuple[Row, ...]
    ) -> None:
        # One flipped bit in a signed leaf hash ended the Yeti 2022 log for good. Nothing that the
        # first calculation used is used again: entries come from the database, hashes from the
        # entries, and the old tree from the published files.
        if stored != rows:
            raise DamagedError("database entries", expected="the rows just inserted", got="others")
        again = [leaf_hash(row.entry) for row in stored]
        second = grown_tree(published_edge(self._publisher, self._head.tree), leaf_hashes=again)
        if second != tree:
            raise DamagedError(
                "root before signing", expected=tree.root.hex(), got=second.root.hex()
            )


def _new_rows(
    entries: Sequence[bytes], leaves: Sequence[bytes], known: dict[bytes, int], *, start: int
) -> tuple[Row, ...]:
    first = {leaf: entry for leaf, entry in zip(leaves, entries, strict=True) if leaf not in known}
    return tuple(map(Row, count(start), first.values(), first))
