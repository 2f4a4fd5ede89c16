"""Cosignatures for the log's own checkpoints: publish only what a quorum of witnesses has seen.

A head that is durable and anchored is sent to all witnesses of a tlog-policy at once. As soon as
the quorum is met, and a moment later for the others, the checkpoint is complete: the stored bytes
that the log signed, and the verified cosignatures after them. Until then nothing of it is
published and nobody is told an index. A witness that answers late, badly or not at all is left
behind and catches up with a later head.

Witnesses get a head only after the anchor is written, because what a witness has seen can never
be taken back.

A cosignature says when its witness saw the head, and that becomes long ago while nothing new is
logged. So the witnesses are asked again for a head that is published: the same text and the same
signatures of the log, with newer cosignatures, once the quorum is met again. Until then what is
published stays as it is.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from log_server.durable import read_file, storage_errors
from log_server.errors import ConfigurationError, QuorumError
from log_server.store.contract import Head
from log_server.submission import WitnessEndpoint
from log_server.tree import consistency_proof
from verifier.errors import AuditError, ParseError, PolicyError, VerificationError
from verifier.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from verifier.tlog.cosignature import CosignedCheckpoint, open_cosignatures
from verifier.tlog.note import NoteSignature, VerificationKey, encode_note
from verifier.tlog.policy import TlogPolicy, parse_tlog_policy, verify_quorum
from verifier.tlog.strict import parse_utf8

__all__ = [
    "PATIENCE",
    "UNWITNESSED",
    "Patience",
    "Unwitnessed",
    "Witnesses",
    "Witnessing",
    "read_policy",
]

_MAX_WITNESSES = 64  # with the log's own, within the signatures that a note may have
_NOT_ASKED = "no answer yet"
_AFTER_FAILED_REFRESH = 60.0  # seconds until the witnesses are asked again
_TIMESTAMP = slice(8)  # where a cosignature has its time (C2SP tlog-cosignature, "Format")


class Witnessing(Protocol):
    """Turns a head into what is published for it."""

    @property
    def failure(self) -> QuorumError | None:
        """Why the newest head is not published; None if nothing holds it up."""

    @property
    def cosigned_at(self) -> int | None:
        """Time of the oldest cosignature that counts for what is published; None if none counts.

        In seconds since 1970, by the clock of its witness. The newest cosignatures count, and no
        more of them than the quorum needs.
        """

    @property
    def unrefreshed(self) -> str:
        """Why the last attempt at newer cosignatures failed; empty if it did not."""

    def due_seconds(self) -> float | None:
        """Time until newer cosignatures are due for what is published; None: they never are."""

    def cosigned(self, head: Head, *, present: bytes | None, read: Callable[[str], bytes]) -> bytes:
        """The checkpoint of a durable, anchored head with the cosignatures that it needs.

        ``present`` is what is published now, ``read`` gives the published tiles. Raises
        QuorumError if too few witnesses cosigned in time, and can be called again.

        For a head that is published with its quorum, and newer cosignatures are due, the witnesses
        are asked once; if too few answer, what is published is given back.
        """


class Unwitnessed:
    """The log publishes on its own word."""

    failure: QuorumError | None = None
    cosigned_at: int | None = None
    unrefreshed = ""

    def due_seconds(self) -> float | None:
        """None: nobody is asked."""
        return None

    def cosigned(self, head: Head, *, present: bytes | None, read: Callable[[str], bytes]) -> bytes:
        """The bytes that the log signed; cosignatures that stand there already are kept."""
        del read
        if present is not None and present.startswith(head.checkpoint):
            return present
        return head.checkpoint


UNWITNESSED = Unwitnessed()
"""For a log without a witness policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds.

    ``answer``: for one witness; ``others``: for the rest once the quorum is met; ``quorum``: for
    the quorum, before the entries that wait are answered 503; ``again``: between two rounds;
    ``refresh``: from cosignatures to newer ones for the same head, 0 if none are wanted.
    """

    answer: float = 5.0
    others: float = 0.1
    quorum: float = 10.0
    again: float = 1.0
    refresh: float = 600.0


PATIENCE = Patience()
"""What a log has unless it is told otherwise."""


@dataclass(slots=True)
class _Asked:
    endpoint: WitnessEndpoint
    busy: bool = False
    text: str = ""
    reason: str = _NOT_ASKED


@dataclass(frozen=True, slots=True)
class _Answer:
    asked: _Asked
    text: str
    cosignatures: dict[str, NoteSignature]
    reason: str


class Witnesses:
    """The witnesses of a policy, and its quorum. Used by one thread at a time."""

    def __init__(
        self, policy: TlogPolicy, *, keys: tuple[VerificationKey, ...], patience: Patience
    ) -> None:
        """``keys`` are those of the log. Raises ConfigurationError if they and it do not fit."""
        _require_usable(policy, keys)
        self._policy = policy
        self._keys = keys
        self._patience = patience
        urls = tuple(dict.fromkeys(witness.url for witness in policy.witnesses))
        self._asked = tuple(
            _Asked(
                WitnessEndpoint(
                    url,
                    tuple(one for one in policy.witnesses if one.url == url),
                    seconds=patience.answer,
                )
            )
            for url in urls
        )
        self.failure: QuorumError | None = None
        self.cosigned_at: int | None = None
        self.unrefreshed = ""
        self._due: float | None = None
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()

    def due_seconds(self) -> float | None:
        """See ``Witnessing.due_seconds``."""
        if self._due is None or not self._patience.refresh:
            return None
        return max(self._due - time.monotonic(), 0.0)

    def cosigned(self, head: Head, *, present: bytes | None, read: Callable[[str], bytes]) -> bytes:
        """See ``Witnessing.cosigned``."""
        signed = open_checkpoint(head.checkpoint, keys=self._keys)
        is_due = self.due_seconds() == 0
        published = self._published(present)
        if published is not None and _is_same(published.signed, signed):
            if is_due:
                return self._refreshed(signed, published, read)
            return published.signed.note.raw
        found: dict[str, NoteSignature] = {}
        end = time.monotonic() + self._patience.quorum
        while True:
            self._ask(signed, found, read)
            self._collect(signed, found, read, end=end)
            lines = tuple(found[one.name] for one in self._policy.witnesses if one.name in found)
            raw = encode_note(signed.note.text, (*signed.note.signatures, *lines))
            try:
                opened = self._opened(raw)
            except VerificationError as error:
                self.failure = self._unmet(error, found)
                if time.monotonic() + self._patience.again >= end:
                    raise self.failure from error
                time.sleep(self._patience.again)
            else:
                self._settle(opened, due=self._patience.refresh)
                return raw

    def _opened(self, raw: bytes) -> CosignedCheckpoint:
        return open_cosignatures(open_checkpoint(raw, keys=self._keys), policy=self._policy)

    def _published(self, present: bytes | None) -> CosignedCheckpoint | None:
        if present is None:
            return None
        try:
            published = self._opened(present)
        except (ParseError, VerificationError):
            return None
        if self._due is None:
            # Of an earlier run, perhaps of long ago: no reason to wait at the start, but to ask
            # as soon as there is nothing else to do.
            self._settle(published, due=0.0)
        return published

    def _settle(self, published: CosignedCheckpoint, *, due: float) -> None:
        self.failure = None
        self.unrefreshed = ""
        self.cosigned_at = self._oldest_counted(published)
        self._due = time.monotonic() + due

    def _oldest_counted(self, published: CosignedCheckpoint) -> int | None:
        names: set[str] = set()
        oldest = None
        for one in sorted(published.cosignatures, key=lambda one: one.timestamp, reverse=True):
            if self._is_met(names):
                break
            names.add(one.witness)
            oldest = one.timestamp
        return oldest

    def _refreshed(
        self, signed: SignedCheckpoint, published: CosignedCheckpoint, read: Callable[[str], bytes]
    ) -> bytes:
        while not self._answers.empty():  # what came too late for an earlier round
            self._answers.get().asked.busy = False
        found: dict[str, NoteSignature] = {}
        self._ask(signed, found, read)
        self._collect(signed, found, read, end=time.monotonic() + self._patience.answer)
        try:
            verify_quorum(self._policy, cosigned=frozenset(found))
        except VerificationError as error:
            self.unrefreshed = self._unmet(error, found).got
            self._due = time.monotonic() + min(_AFTER_FAILED_REFRESH, self._patience.refresh)
            return published.signed.note.raw
        lines = []
        for witness in self._policy.witnesses:
            # Who did not answer now is kept with what it said before: that stays true.
            said = [*published.signed.note.signatures_of(witness.key)]
            said += [found[witness.name]] if witness.name in found else []
            lines += [max(said, key=lambda line: line.signature[_TIMESTAMP])] if said else []
        raw = encode_note(signed.note.text, (*signed.note.signatures, *lines))
        self._settle(self._opened(raw), due=self._patience.refresh)
        return raw

    def _ask(
        self,
        signed: SignedCheckpoint,
        found: dict[str, NoteSignature],
        read: Callable[[str], bytes],
    ) -> None:
        def prove(old: int) -> tuple[bytes, ...]:
            return consistency_proof(old, signed.tree.size, read) if old else ()

        for asked in self._asked:
            if not asked.busy and not found.keys() >= set(asked.endpoint.names):
                asked.busy, asked.text = True, signed.note.text
                asked.reason = _NOT_ASKED
                # A daemon: a witness that never ends its answer must not hold up our end.
                threading.Thread(
                    target=self._submit, args=(asked, signed, prove), daemon=True
                ).start()

    def _submit(
        self, asked: _Asked, signed: SignedCheckpoint, prove: Callable[[int], tuple[bytes, ...]]
    ) -> None:
        found: dict[str, NoteSignature] = {}
        reason = "a bug"
        try:
            found = asked.endpoint.cosign(signed, prove=prove)
            reason = ""
        except AuditError as error:
            reason = str(error)
        finally:
            self._answers.put(_Answer(asked, signed.note.text, found, reason))

    def _collect(
        self,
        signed: SignedCheckpoint,
        found: dict[str, NoteSignature],
        read: Callable[[str], bytes],
        *,
        end: float,
    ) -> None:
        end = min(end, time.monotonic() + self._patience.answer)
        while busy := [asked for asked in self._asked if asked.busy]:
            if self._is_met(found):
                # Whoever still thinks about an older head is not waited for.
                if all(asked.text != signed.note.text for asked in busy):
                    return
                end = min(end, time.monotonic() + self._patience.others)
            try:
                answer = self._answers.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                return
            answer.asked.busy = False
            answer.asked.reason = answer.reason
            if answer.text == signed.note.text:
                found |= answer.cosignatures
            else:
                self._ask(signed, found, read)

    def _is_met(self, found: Iterable[str]) -> bool:
        try:
            verify_quorum(self._policy, cosigned=frozenset(found))
        except VerificationError:
            return False
        return True

    def _unmet(self, error: VerificationError, found: dict[str, NoteSignature]) -> QuorumError:
        reasons = "; ".join(
            f"{' '.join(asked.endpoint.names)}: {asked.reason}"
            for asked in self._asked
            if not found.keys() >= set(asked.endpoint.names)
        )
        return QuorumError(
            error.what,
            expected=error.expected,
            got=f"{error.got} ({reasons})",
            hint="the entries are durable, and published when enough witnesses cosign",
        )


def _is_same(one: SignedCheckpoint, other: SignedCheckpoint) -> bool:
    return one.note.text == other.note.text and one.keys == other.keys


def read_policy(path: Path) -> TlogPolicy:
    """Read a tlog-policy file. Raises ConfigurationError."""
    with storage_errors(path.name):
        raw = read_file(path)
    if raw is None:
        raise ConfigurationError(path.name, expected="a tlog-policy file", got="none")
    try:
        return parse_tlog_policy(parse_utf8(raw, what=path.name))
    except (ParseError, PolicyError) as error:
        raise ConfigurationError(error.what, expected=error.expected, got=error.got) from error


def _require_usable(policy: TlogPolicy, keys: tuple[VerificationKey, ...]) -> None:
    if policy.logs and not set(policy.logs).intersection(keys):
        expected = " or ".join(map(str, keys))
        raise ConfigurationError("logs of the witness policy", expected=expected, got="others")
    if not 1 <= len(policy.witnesses) <= _MAX_WITNESSES:
        expected = f"1 to {_MAX_WITNESSES} witnesses"
        got = str(len(policy.witnesses))
        raise ConfigurationError("witness policy", expected=expected, got=got)
    for witness in policy.witnesses:
        if not witness.url.startswith(("http://", "https://")):
            what = f"witness {witness.name} of the policy"
            got = witness.url or "none"
            raise ConfigurationError(what, expected="an http or https URL", got=got)
