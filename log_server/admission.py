"""What the log takes, and what it answers. Bytes in, result out: no HTTP in this module.

A log with a policy (``log-policy/v1``, docs/spec/entry-kinds.md) admits what that policy admits, by
whatever way it comes: ``AdmittingSequencer`` holds every batch against it in the order in which it
will be logged. ``Admission.require`` says the same earlier, to one submitter at a time, so that a
batch is not lost for one bad entry in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from log_server.anchor import Anchor
from log_server.errors import EntrySizeError
from log_server.floor import DiskFloor
from log_server.intake import Acknowledgement
from log_server.log_policy import Admission
from log_server.publication import published_file
from log_server.publisher import Publisher
from log_server.sequencer import Sequenced, Sequencer
from log_server.signer import Signer
from log_server.store.contract import Store
from log_server.tree import inclusion_proof
from log_server.witnessing import UNWITNESSED, Witnessing
from verifier.errors import ParseError
from verifier.release.admission import rules_of
from verifier.tlog.proof import TlogProof, encode_tlog_proof
from verifier.tlog.tile import MAX_ENTRY

__all__ = ["AdmittingSequencer", "EntryParser", "admit", "prove", "require_size"]

_SCAN = 1024

EntryParser = Callable[[bytes], object]
"""Reads a typed entry; raises ParseError or UnsupportedError, as the judge's own parser does."""


def admit(entry: bytes) -> bytes:
    """The entry, if an entry bundle can carry it. Raises ParseError if empty, EntrySizeError."""
    if not entry:
        raise ParseError("entry", expected=f"1 to {MAX_ENTRY} bytes", got="0 bytes")
    require_size(len(entry))
    return entry


def require_size(size: int) -> None:
    """Raises EntrySizeError for an entry of so many bytes (or of more, while it arrives)."""
    if size > MAX_ENTRY:
        raise EntrySizeError("entry", expected=f"1 to {MAX_ENTRY} bytes", got=f"{size} bytes")


def prove(acknowledgement: Acknowledgement, publisher: Publisher) -> bytes:
    """The tlog-proof of an acknowledged entry, from the published tiles.

    Raises DamagedError if a tile is missing, StorageError.
    """
    tiles: dict[str, bytes] = {}

    def read(path: str) -> bytes:
        if path not in tiles:
            tiles[path] = published_file(publisher, path)
        return tiles[path]

    proof = TlogProof(
        index=acknowledgement.index,
        hashes=inclusion_proof(acknowledgement.index, acknowledgement.tree.size, read),
        checkpoint_raw=acknowledgement.checkpoint,
        extra=None,
    )
    return encode_tlog_proof(proof)


class AdmittingSequencer(Sequencer):
    """A sequencer that logs only what the policy in the log admits.

    The policy is found by reading all entries once, when the log is opened; only entries with the
    bytes of a policy are parsed.
    """

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
        """See ``Sequencer``."""
        super().__init__(
            store=store,
            publisher=publisher,
            anchor=anchor,
            signers=signers,
            floor=floor,
            witnessing=witnessing,
        )
        entries = _entries(store, self.head.tree.size)
        self.admission = Admission(rules_of(entries, origin=signers[0].key.name))

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        """See ``Sequencer.commit``; raises PolicyRefusalError too, and can then be called again."""
        size = self.head.tree.size
        rules = self.admission.review(entries)
        try:
            done = super().commit(entries, now=now)
        except BaseException:
            # Where too few witnesses cosigned, the entries are in the log: the head tells.
            if self.head.tree.size > size:
                self.admission.settle(rules)
            else:
                self.admission.forget()
            raise
        self.admission.settle(rules)
        return done


def _entries(store: Store, size: int) -> Iterator[bytes]:
    for start in range(0, size, _SCAN):
        for row in store.rows(start, min(start + _SCAN, size)):
            yield row.entry
