"""The write path: one raw entry, a batch of them, or one typed entry with its proof.

An answer means: durable, and covered by a published checkpoint. ``wait=sequenced`` and
``wait=published`` ask for no less and get no more: this log publishes every batch before it
tells an index.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NoReturn

from log_server.admission import EntryParser, admit, prove
from log_server.entry_queue import EntryQueue
from log_server.errors import EntrySizeError
from log_server.exchange import CORS, Answer, Request
from log_server.intake import MAX_BATCH_ENTRIES
from log_server.publisher import Publisher
from verifier.errors import ParseError
from verifier.tlog.tile import MAX_ENTRY

__all__ = ["MAX_BATCH_BYTES", "WritePath", "parse_batch"]

MAX_BATCH_BYTES = 2**23
"""Longest body of a batch, lengths included."""

_TEXT = "text/plain; charset=utf-8"


class WritePath:
    """Answers POST through an intake."""

    def __init__(
        self, *, intake: EntryQueue, publisher: Publisher, parse_entry: EntryParser
    ) -> None:
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
    position, end = 0, len(raw)
    while position < end:
        start = position + 2
        position = start + int.from_bytes(raw[position:start], "big")
        if position > end or position == start or len(entries) == MAX_BATCH_ENTRIES:
            _refuse_entry(len(entries), position, end)
        entries.append(raw[start:position])
    if not entries:
        raise ParseError("batch", expected=f"1 to {MAX_BATCH_ENTRIES} entries", got="none")
    return tuple(entries)


def _refuse_entry(number: int, position: int, end: int) -> NoReturn:
    what = f"entry {number} of the batch"
    if position > end:
        got = f"{end} bytes, and the entry ends at {position}"
        raise ParseError(what, expected="a whole entry", got=got)
    if number == MAX_BATCH_ENTRIES:
        raise EntrySizeError("batch", expected=f"at most {number} entries", got="more")
    raise ParseError(what, expected=f"1 to {MAX_ENTRY} bytes", got="0 bytes")


def _json(members: dict[str, object]) -> Answer:
    body = json.dumps(members, ensure_ascii=False)
    return Answer(HTTPStatus.OK, f"{body}\n".encode(), "application/json", CORS)
