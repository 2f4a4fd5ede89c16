"""The read path: the newest checkpoint, tiles and entry bundles (C2SP tlog-tiles).

The checkpoint is read from its file for every request. Tiles and bundles never change once they
have their name, so whole answers are kept in memory, up to a bound, but only for seconds: then the
file is read again, and what a disk has done to it is seen by whoever examines a running log.
Compressing is kept as long as the file is the same. What is not there has no caching headers: it
may be there in a moment.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from log_server.errors import NotFoundError
from log_server.exchange import CORS, Answer, Headers, Request
from log_server.publisher import CHECKPOINT_PATH, Publisher
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt
from verifier.tlog.tile import parse_bundle_path, parse_tile_path

__all__ = ["CACHE_BYTES", "KEPT_SECONDS", "ReadPath", "takes_gzip"]

CACHE_BYTES = 2**25
"""Bytes of answers, compressed ones and what keeps them included, that are kept in memory."""

KEPT_SECONDS = 5.0
"""A file is read again when what is kept of it is older."""

_OVERHEAD = 2**10  # what Python needs for a kept answer, beside its body
_LEVEL = 1  # base64 and JSON: level 6 saves 3 % more, and takes half as long again
_SLOW = 2**16  # bytes that take longer to compress than other requests should wait
_AT_ONCE = 2  # bundles that are compressed apart; the others go as they are
_CHECKPOINT: Headers = (*CORS, ("Cache-Control", "no-cache"))
_TILE: Headers = (*CORS, ("Cache-Control", "public, max-age=31536000, immutable"))
_BUNDLE: Headers = (*_TILE, ("Vary", "Accept-Encoding"))
_GZIP: Headers = (*_BUNDLE, ("Content-Encoding", "gzip"))
_OCTETS = "application/octet-stream"
_BUNDLES = "/tile/entries/"
# All that reaches the file system. Its second spellings of a tile are no names of files.
_SAFE = re.compile(r"/tile/(?:[0-9]{1,2}|entries)/(?:x[0-9]{3}/){0,8}[0-9]{3}(?:\.p/[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, when its file was read, and of a compressed one what the file was (SHA-256)."""

    answer: Answer
    read: float
    digest: bytes

    @property
    def size(self) -> int:
        return len(self.answer.body) + _OVERHEAD


class ReadPath:
    """Answers GET from the published files."""

    def __init__(
        self, publisher: Publisher, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` gives seconds that never go back."""
        self._publisher = publisher
        self._clock = clock
        self._kept: OrderedDict[tuple[str, bool], _Kept] = OrderedDict()  # oldest reading first
        self._size = 0
        self._compressing = 0

    @property
    def cached_bytes(self) -> int:
        """Bytes that are kept in memory at this moment."""
        return self._size

    def checkpoint(self, request: Request) -> Answer:
        """The newest checkpoint."""
        del request
        content = self._read(CHECKPOINT_PATH)
        return Answer(HTTPStatus.OK, content, "text/plain; charset=utf-8", _CHECKPOINT)

    def tile(self, request: Request) -> Answer | Awaitable[Answer]:
        """A tile, or an entry bundle, compressed if the client takes it so."""
        path = request.path
        compressed = path.startswith(_BUNDLES) and takes_gzip(
            request.headers.get("accept-encoding", "")
        )
        kept = self._kept.get((path, compressed))
        if kept is not None and self._clock() - kept.read < KEPT_SECONDS:
            return kept.answer
        if _SAFE.fullmatch(path) is None:
            raise _not_found(path[1:])
        read = self._clock()
        content = self._read(path[1:])
        if compressed:
            return self._compressed(path, content, read)
        headers = _BUNDLE if path.startswith(_BUNDLES) else _TILE
        answer = Answer(HTTPStatus.OK, content, _OCTETS, headers)
        self._keep((path, False), _Kept(answer, read, b""))
        return answer

    def _compressed(self, path: str, content: bytes, read: float) -> Answer | Awaitable[Answer]:
        kept = self._kept.get((path, True))
        if kept is not None and kept.digest == sha256(content).digest():
            self._keep((path, True), _Kept(kept.answer, read, kept.digest))
            return kept.answer
        if len(content) <= _SLOW:
            return self._keep_compressed(path, *_compress(content), read)
        if self._compressing < _AT_ONCE:
            self._compressing += 1
            return self._compress_apart(path, content, read)
        return Answer(HTTPStatus.OK, content, _OCTETS, _BUNDLE)

    async def _compress_apart(self, path: str, content: bytes, read: float) -> Answer:
        try:
            compressed, digest = await asyncio.to_thread(_compress, content)
        finally:
            self._compressing -= 1
        # A copy: the allocator keeps a pool for each thread, and what is kept would hold them all.
        return self._keep_compressed(path, bytes(memoryview(compressed)), digest, read)

    def _keep_compressed(self, path: str, body: bytes, digest: bytes, read: float) -> Answer:
        answer = Answer(HTTPStatus.OK, body, _OCTETS, _GZIP)
        self._keep((path, True), _Kept(answer, read, digest))
        return answer

    def _read(self, path: str) -> bytes:
        content = self._publisher.read(path)
        if content is None:
            raise _not_found(path)
        return content

    def _keep(self, key: tuple[str, bool], kept: _Kept) -> None:
        former = self._kept.pop(key, None)
        if former is not None:
            self._size -= former.size
        if kept.size > CACHE_BYTES // 8:
            return
        while self._size + kept.size > CACHE_BYTES:
            # Only what is old makes room: somebody who reads a whole log displaces nothing.
            if kept.read - next(iter(self._kept.values())).read < KEPT_SECONDS:
                return
            self._size -= self._kept.popitem(last=False)[1].size
        self._kept[key] = kept
        self._size += kept.size


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding value allows gzip (RFC 9110 section 12.5.3); none does not."""
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        refused = weight.replace(" ", "").rstrip("0").rstrip(".") in ("q=", "q=0")
        weights[coding.strip()] = not refused
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _compress(content: bytes) -> tuple[bytes, bytes]:
    return gzip.compress(content, _LEVEL, mtime=0), sha256(content).digest()


def _not_found(path: str) -> NotFoundError:
    # A name that cannot be one is told apart here: what is there need not be parsed to be read.
    parse = parse_bundle_path if path.startswith("tile/entries/") else parse_tile_path
    try:
        if path != CHECKPOINT_PATH:
            parse(path)
    except ParseError as error:
        return NotFoundError(error.what, expected=error.expected, got=error.got)
    return NotFoundError("path", expected="a published resource", got=excerpt(path))
