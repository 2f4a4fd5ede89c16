"""The log over HTTP: the C2SP read path from the published files, and two ways to add.

=======  ====================================  ================================================
method   path                                  answer
=======  ====================================  ================================================
GET      ``/checkpoint``                       the newest checkpoint
GET      ``/tile/<L>/<N>[.p/<W>]``             a tile
GET      ``/tile/entries/<N>[.p/<W>]``         an entry bundle
POST     ``/add``                              raw entry -> its index in decimal
POST     ``/v1/entries``                       typed entry -> JSON: index and tlog-proof
=======  ====================================  ================================================

An answer to a POST means: durable, and covered by a published checkpoint. Source of the read path:
C2SP tlog-tiles.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from log_server.admission import EntryParser, admit, prove, require_size
from log_server.errors import MediaTypeError, NotFoundError
from log_server.intake import Intake
from log_server.problems import CORS, PROBLEM_HANDLERS
from log_server.publisher import CHECKPOINT_PATH, Publisher
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_decimal
from verifier.tlog.tile import parse_bundle_path, parse_tile_path

__all__ = ["ENTRY_MEDIA_TYPES", "create_app"]

ENTRY_MEDIA_TYPES = ("application/json", "application/vnd.dsse.envelope.v1+json")
"""What ``/v1/entries`` takes (DSSE v1.0, envelope media type; the entry is also plain JSON)."""

_CHECKPOINT_HEADERS = {**CORS, "Cache-Control": "no-cache"}
_TILE_HEADERS = {**CORS, "Cache-Control": "public, max-age=31536000, immutable"}


def create_app(
    *, publisher: Publisher, make_intake: Callable[[], Intake], parse_entry: EntryParser
) -> Starlette:
    """The application. ``make_intake`` is called inside the server's event loop."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.intake = intake = make_intake()
        sequencing = asyncio.create_task(intake.run())
        yield
        intake.drain()
        await sequencing

    async def checkpoint(request: Request) -> Response:
        del request
        content = _read(publisher, CHECKPOINT_PATH)
        return Response(
            content, media_type="text/plain; charset=utf-8", headers=_CHECKPOINT_HEADERS
        )

    async def tile(request: Request) -> Response:
        content = _read(publisher, _tile_path(f"tile/{request.path_params['rest']}"))
        return Response(content, media_type="application/octet-stream", headers=_TILE_HEADERS)

    async def add(request: Request) -> Response:
        entry = admit(await _body(request))
        acknowledgement = await request.app.state.intake.add(entry)
        return Response(str(acknowledgement.index), media_type="text/plain; charset=utf-8")

    async def add_typed(request: Request) -> Response:
        _require_media_type(request)
        entry = admit(await _body(request))
        parse_entry(entry)
        acknowledgement = await request.app.state.intake.add(entry)
        proof = prove(acknowledgement, publisher).decode()
        body = json.dumps({"index": acknowledgement.index, "proof": proof}, ensure_ascii=False)
        return Response(f"{body}\n", media_type="application/json")

    return Starlette(
        routes=[
            Route("/checkpoint", checkpoint, methods=["GET"]),
            Route("/tile/{rest:path}", tile, methods=["GET"]),
            Route("/add", add, methods=["POST"]),
            Route("/v1/entries", add_typed, methods=["POST"]),
        ],
        exception_handlers=PROBLEM_HANDLERS,
        lifespan=lifespan,
    )


def _read(publisher: Publisher, path: str) -> bytes:
    content = publisher.read(path)
    if content is None:
        raise NotFoundError("path", expected="a published resource", got=excerpt(path))
    return content


def _tile_path(path: str) -> str:
    # Only a path that is the one spelling of a tile or bundle reaches the file system.
    parse = parse_bundle_path if path.startswith("tile/entries/") else parse_tile_path
    try:
        parse(path)
    except ParseError as error:
        raise NotFoundError(error.what, expected=error.expected, got=error.got) from error
    return path


async def _body(request: Request) -> bytes:
    # A stated length is believed only to refuse early; what arrives is counted.
    stated = request.headers.get("Content-Length")
    if stated is not None:
        require_size(parse_decimal(stated, what="Content-Length"))
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        require_size(len(content))
    return bytes(content)


def _require_media_type(request: Request) -> None:
    stated = request.headers.get("Content-Type", "")
    if stated.partition(";")[0].strip().lower() not in ENTRY_MEDIA_TYPES:
        expected = " or ".join(ENTRY_MEDIA_TYPES)
        got = excerpt(stated) if stated else "none"
        raise MediaTypeError("Content-Type", expected=expected, got=got)
