"""The read path: the newest checkpoint, tiles and entry bundles (C2SP tlog-tiles).

Files under the name of a full tile or bundle never change, so the last ones read are kept in
memory, bundles compressed too, up to a bound. What is not there has no caching headers: it may be
there in a moment.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable
from http import HTTPStatus

from log_server.errors import NotFoundError
from log_server.exchange import CORS, Answer, Headers, Request
from log_server.publisher import CHECKPOINT_PATH, Publisher
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt
from verifier.tlog.tile import parse_bundle_path, parse_tile_path

__all__ = ["CACHE_BYTES", "ReadPath", "takes_gzip"]

CACHE_BYTES = 2**24
"""Bytes of files, compressed ones included, that are kept in memory."""

_LEVEL = 5
_SLOW = 2**16  # bytes that take longer to compress than other requests should wait
_CHECKPOINT: Headers = (*CORS, ("Cache-Control", "no-cache"))
_TILE: Headers = (*CORS, ("Cache-Control", "public, max-age=31536000, immutable"))
_BUNDLE: Headers = (*_TILE, ("Vary", "Accept-Encoding"))
_GZIP: Headers = (*_BUNDLE, ("Content-Encoding", "gzip"))
_OCTETS = "application/octet-stream"


class ReadPath:
    """Answers GET from the published files."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._cache: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self._cached = 0

    @property
    def cached_bytes(self) -> int:
        """Bytes that are kept in memory at this moment."""
        return self._cached

    def checkpoint(self, request: Request) -> Answer:
        """The newest checkpoint."""
        del request
        content = self._read(CHECKPOINT_PATH)
        return Answer(HTTPStatus.OK, content, "text/plain; charset=utf-8", _CHECKPOINT)

    def tile(self, request: Request) -> Answer | Awaitable[Answer]:
        """A tile, or an entry bundle, compressed if the client takes it so."""
        path = request.path.removeprefix("/")
        cached = self._cache.get((path, False))
        if cached is None:
            _require_one_spelling(path)
        if not path.startswith("tile/entries/"):
            return Answer(HTTPStatus.OK, cached or self._file(path), _OCTETS, _TILE)
        if not takes_gzip(request.headers.get("accept-encoding", "")):
            return Answer(HTTPStatus.OK, cached or self._file(path), _OCTETS, _BUNDLE)
        compressed = self._cache.get((path, True))
        if compressed is not None:
            return Answer(HTTPStatus.OK, compressed, _OCTETS, _GZIP)
        content = self._read(path)
        if len(content) > _SLOW:
            return self._compress_apart(path, content)
        return self._compressed(path, _compress(content))

    async def _compress_apart(self, path: str, content: bytes) -> Answer:
        return self._compressed(path, await asyncio.to_thread(_compress, content))

    def _compressed(self, path: str, content: bytes) -> Answer:
        self._keep(path, content, compressed=True)
        return Answer(HTTPStatus.OK, content, _OCTETS, _GZIP)

    def _file(self, path: str) -> bytes:
        content = self._read(path)
        self._keep(path, content, compressed=False)
        return content

    def _read(self, path: str) -> bytes:
        content = self._publisher.read(path)
        if content is None:
            raise NotFoundError("path", expected="a published resource", got=excerpt(path))
        return content

    def _keep(self, path: str, content: bytes, *, compressed: bool) -> None:
        # Partial ones are many, and soon nobody asks for them.
        if ".p/" in path or (path, compressed) in self._cache or len(content) > CACHE_BYTES // 8:
            return
        self._cache[path, compressed] = content
        self._cached += len(content)
        while self._cached > CACHE_BYTES:
            self._cached -= len(self._cache.popitem(last=False)[1])


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding value allows gzip (RFC 9110 section 12.5.3); none does not."""
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        refused = weight.replace(" ", "").rstrip("0").rstrip(".") in ("q=", "q=0")
        weights[coding.strip()] = not refused
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, _LEVEL, mtime=0)


def _require_one_spelling(path: str) -> None:
    # Only a path that is the one spelling of a tile or bundle reaches the file system.
    parse = parse_bundle_path if path.startswith("tile/entries/") else parse_tile_path
    try:
        parse(path)
    except ParseError as error:
        raise NotFoundError(error.what, expected=error.expected, got=error.got) from error
