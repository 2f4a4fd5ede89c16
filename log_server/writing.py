"""The write path: one raw entry, a batch of them, or one typed entry with its proof.

An answer means: durable, and covered by a published checkpoint. ``wait=sequenced`` and
``wait=published`` ask for no less and get no more: this log publishes every batch before it
tells an index.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from log_server.admission import EntryParser, admit, prove
from log_server.errors import EntrySizeError
from log_server.exchange import CORS, Answer, Request
from log_server.intake import MAX_BATCH_ENTRIES, Intake
from log_server.publisher import Publisher
from verifier.errors import AuditError, ParseError

__all__ = ["MAX_BATCH_BYTES", "WritePath", "parse_batch"]

MAX_BATCH_BYTES = 2**23
"""Longest body of a batch, lengths included."""

_TEXT = "text/plain; charset=utf-8"


class WritePath:
    """Answers POST through an intake."""

    def __init__(self, *, intake: Intake, publisher: Publisher, parse_entry: EntryParser) -> None:
        self._intake = intake
        self._publisher = publisher
        self._parse_entry = parse_entry

    async def add(self, request: Request) -> Answer:
        """One raw entry -> its index in decimal."""
        done = await self._intake.submit((admit(request.body),))
        return Answer(HTTPStatus.OK, b"%d" % done.indices[0], _TEXT)

    async def add_batch(self, request: Request) -> Answer:
        """Raw entries, as in an entry bundle -> their indices and the checkpoint over them."""
        done = await self._intake.submit(parse_batch(request.body))
        return _json({"indices": done.indices, "checkpoint": done.checkpoint.decode()})

    async def add_typed(self, request: Request) -> Answer:
        """One typed entry -> its index and tlog-proof."""
        entry = admit(request.body)
        self._parse_entry(entry)
        acknowledgement = await self._intake.add(entry)
        proof = prove(acknowledgement, self._publisher).decode()
        return _json({"index": acknowledgement.index, "proof": proof})


def parse_batch(raw: bytes) -> tuple[bytes, ...]:
    """1 to 4,096 entries, each a big-endian u16 length and that many bytes (C2SP tlog-tiles).

    Raises ParseError, which names the entry; EntrySizeError for too many.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(raw):
        start = position + 2
        position = start + int.from_bytes(raw[position:start], "big")
        number = len(entries)
        if start > len(raw) or position > len(raw):
            got = f"{len(raw)} bytes, and the entry ends at {max(start, position)}"
            raise ParseError(f"entry {number} of the batch", expected="a whole entry", got=got)
        if number == MAX_BATCH_ENTRIES:
            raise EntrySizeError("batch", expected=f"at most {number} entries", got="more")
        try:
            entries.append(admit(raw[start:position]))
        except AuditError as error:
            what = f"entry {number} of the batch"
            raise ParseError(what, expected=error.expected, got=error.got) from error
    if not entries:
        raise ParseError("batch", expected=f"1 to {MAX_BATCH_ENTRIES} entries", got="none")
    return tuple(entries)


def _json(members: dict[str, object]) -> Answer:
    body = json.dumps(members, ensure_ascii=False)
    return Answer(HTTPStatus.OK, f"{body}\n".encode(), "application/json", CORS)
