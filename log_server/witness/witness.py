"""The witness: decides, remembers durably, and only then lets a cosignature out.

For one log, comparing with the tree cosigned last and replacing it is one step under a lock. What
is remembered is the very file that is served: log signature and cosignatures over one text, put in
place by rename. After a failed write nobody knows which of two trees the disk will show, so the
witness stops cosigning until it is started again and reads it.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from log_server.errors import DamagedError, StoppedError, StorageError
from log_server.signer import Cosigner
from log_server.store.contract import milliseconds
from log_server.witness.decision import (
    NOTHING_COSIGNED,
    Logs,
    Offer,
    open_offer,
    verify_extension,
)
from log_server.witness.errors import InconsistentError
from log_server.witness.evidence import EvidenceFile, ForkAttempt
from log_server.witness.rate import RateLimit
from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import NoteSignature, encode_note, parse_note
from verifier.tlog.strict import excerpt
from verifier.tlog.timestamped_signature import verify_timestamped_signature

__all__ = ["Shelf", "Witness", "checkpoint_path"]


class Shelf(Protocol):
    """Keeps the checkpoint cosigned last of each log, by path."""

    def read(self, path: str) -> bytes | None:
        """The bytes at a path, None if there are none. Raises StorageError."""

    def write(self, path: str, checkpoint: bytes) -> None:
        """Replace them, durably and in one step. Raises StorageError."""


def checkpoint_path(origin: str) -> str:
    """Where a log's cosigned checkpoint is served, below the monitoring prefix."""
    return f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


@dataclass(slots=True)
class _Memory:
    last: TreeHead
    raw: bytes
    lock: threading.Lock


class Witness:
    """Cosigns for a fixed set of logs. Used by many threads; the caller holds the folder's lock."""

    def __init__(
        self,
        *,
        logs: Logs,
        cosigners: tuple[Cosigner, ...],
        shelf: Shelf,
        evidence: EvidenceFile,
        rate: RateLimit,
    ) -> None:
        """Read back what was cosigned. Raises DamagedError if this witness did not sign it."""
        self._logs = logs
        self._cosigners = cosigners
        self._shelf = shelf
        self._evidence = evidence
        self._rate = rate
        self._memories = {origin: self._remembered(origin) for origin in logs}
        self._by_path = {checkpoint_path(origin): one for origin, one in self._memories.items()}
        self._sound = True

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size cosigned last, by origin."""
        return {origin: memory.last.size for origin, memory in self._memories.items()}

    def served(self, path: str) -> bytes | None:
        """The checkpoint cosigned last at a path, None if there is none."""
        memory = self._by_path.get(path)
        return (memory.raw or None) if memory is not None else None

    def add_checkpoint(self, body: bytes, *, now: datetime) -> bytes:
        """The cosignature lines for the checkpoint of a request, once it is remembered.

        Raises what ``decision`` says, RateError, StorageError, and StoppedError after that.
        """
        offer = open_offer(body, logs=self._logs)
        self._rate.take(offer.signed.origin)
        memory = self._memories[offer.signed.origin]
        with memory.lock:
            if not self._sound:
                expected = "no earlier failure"
                raise StoppedError("witness", expected=expected, got="a failed write")
            try:
                verify_extension(offer, last=memory.last)
            except InconsistentError as error:
                self._keep_evidence(offer, memory, fork=error.fork, now=now)
                raise
            cosignatures = self._cosign(offer, now)
            self._remember(offer, cosignatures, memory)
        return b"".join(map(_line, cosignatures))

    def _keep_evidence(self, offer: Offer, memory: _Memory, *, fork: bool, now: datetime) -> None:
        attempt = ForkAttempt(
            time=now,
            origin=offer.signed.origin,
            fork=fork,
            cosigned=memory.raw,
            offered=offer.signed.note.raw,
            old=offer.old,
            proof=offer.proof,
        )
        self._evidence.add(attempt)

    def _cosign(self, offer: Offer, now: datetime) -> tuple[NoteSignature, ...]:
        signed = offer.signed
        timestamp = milliseconds(now) // 1000
        lines = []
        for cosigner in self._cosigners:
            line = cosigner.cosign(signed.note.text, timestamp=timestamp)
            # A signature that a fault made wrong is neither stored nor sent.
            verify_timestamped_signature(
                line,
                key=cosigner.key,
                text=signed.note.text,
                origin=signed.origin,
                tree=signed.tree,
            )
            lines.append(line)
        return tuple(lines)

    def _remember(
        self, offer: Offer, cosignatures: tuple[NoteSignature, ...], memory: _Memory
    ) -> None:
        signed = offer.signed
        by_log = (line for key in signed.keys for line in signed.note.signatures_of(key))
        # Lines of strangers are left out: nobody here verified them.
        raw = encode_note(signed.note.text, (*dict.fromkeys(by_log), *cosignatures))
        try:
            self._shelf.write(checkpoint_path(signed.origin), raw)
        except StorageError:
            self._sound = False
            raise
        memory.last, memory.raw = signed.tree, raw

    def _remembered(self, origin: str) -> _Memory:
        raw = self._shelf.read(checkpoint_path(origin))
        if raw is None:
            return _Memory(NOTHING_COSIGNED, b"", threading.Lock())
        try:
            return _Memory(self._opened(raw, origin), raw, threading.Lock())
        except (ParseError, VerificationError) as error:
            what = f"{checkpoint_path(origin)}: {error.what}"
            raise DamagedError(what, expected=error.expected, got=error.got) from error

    def _opened(self, raw: bytes, origin: str) -> TreeHead:
        # By the witness's own signatures, so that a log may change its keys in between.
        note = parse_note(raw)
        said = parse_checkpoint(note)
        if said.origin != origin:
            raise VerificationError("origin", expected=excerpt(origin), got=excerpt(said.origin))
        own = [(c.key, line) for c in self._cosigners for line in note.signatures_of(c.key)]
        if not own:
            raise VerificationError("cosignature", expected="one of this witness", got="none")
        for key, line in own:
            verify_timestamped_signature(
                line, key=key, text=note.text, origin=origin, tree=said.tree
            )
        return said.tree


def _line(signature: NoteSignature) -> bytes:
    encoded = base64.b64encode(signature.key_id + signature.signature).decode("ascii")
    return f"\u2014 {signature.name} {encoded}\n".encode()
