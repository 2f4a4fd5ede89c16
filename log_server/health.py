"""Whether this log does what it is for, as one document with a status code.

``/health`` answers 503 when

- the log stopped after a failure, or is stopping;
- an entry has waited longer than ``STALE_SECONDS`` for a checkpoint that covers it: the newest
  checkpoint is stale (a checkpoint itself says no time, and a log that is asked for nothing signs
  nothing, so age alone means nothing);
- the published checkpoint is missing, is not signed by the keys of this log, or is smaller than
  one that was acknowledged;
- a further check of the server says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

from log_server.entry_queue import EntryQueue
from log_server.errors import StoppedError
from log_server.exchange import CORS, Answer, Request
from log_server.problems import problem
from log_server.publisher import CHECKPOINT_PATH, Publisher
from verifier.errors import AuditError, VerificationError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey

__all__ = ["STALE_SECONDS", "Check", "Health"]

STALE_SECONDS = 10.0
"""Longest time that an accepted entry may wait for its checkpoint."""

Check = Callable[[], None]
"""Raises an AuditError that says what is wrong."""


class Health:
    """Looks at an intake and at what is published."""

    def __init__(
        self,
        *,
        intake: EntryQueue,
        publisher: Publisher,
        keys: tuple[VerificationKey, ...],
        checks: tuple[Check, ...],
    ) -> None:
        self._intake = intake
        self._publisher = publisher
        self._keys = keys
        self._checks = checks

    def answer(self, request: Request) -> Answer:
        """200 with the size of the log, or 503 with a problem document."""
        del request
        try:
            tree = self.examine()
        except AuditError as error:
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                str(error),
                field=error.what,
                expected=error.expected,
                got=error.got,
                headers=(("Cache-Control", "no-store"),),
            )
        body = json.dumps({"status": "ok", "size": tree.size, "root": tree.root.hex()})
        headers = (*CORS, ("Cache-Control", "no-store"))
        return Answer(HTTPStatus.OK, f"{body}\n".encode("ascii"), "application/json", headers)

    def examine(self) -> TreeHead:
        """The published tree. Raises an AuditError about the first thing that is wrong."""
        if self._intake.failure is not None:
            raise self._intake.failure
        if not self._intake.is_open:
            raise StoppedError("log", expected="a log that takes entries", got="it is stopping")
        waited = self._intake.oldest_seconds()
        if waited > STALE_SECONDS:
            expected = f"a checkpoint over every entry within {STALE_SECONDS:.0f} s"
            raise StoppedError("newest checkpoint", expected=expected, got=f"after {waited:.0f} s")
        tree = self._published()
        for check in self._checks:
            check()
        return tree

    def _published(self) -> TreeHead:
        raw = self._publisher.read(CHECKPOINT_PATH)
        if raw is None:
            raise VerificationError("published checkpoint", expected="a file", got="none")
        tree = open_checkpoint(raw, keys=self._keys).tree
        last = self._intake.last
        if last is not None and tree.size < last.tree.size:
            expected = f"at least size {last.tree.size}, which was acknowledged"
            raise VerificationError("published checkpoint", expected=expected, got=f"{tree.size}")
        return tree
