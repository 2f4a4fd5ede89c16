"""The log over HTTP: one table of routes, which is what is served and what ``/openapi.json`` says.

=======  ====================================  ================================================
method   path                                  answer
=======  ====================================  ================================================
GET      ``/checkpoint``                       the newest checkpoint
GET      ``/tile/<L>/<N>[.p/<W>]``             a tile
GET      ``/tile/entries/<N>[.p/<W>]``         an entry bundle
POST     ``/add``                              raw entry -> its index in decimal
POST     ``/v1/batch``                         raw entries -> JSON: indices and checkpoint
POST     ``/v1/entries``                       typed entry -> JSON: index and tlog-proof
GET      ``/health``                           whether all is well
GET      ``/openapi.json``                     this table, as OpenAPI 3.1
=======  ====================================  ================================================

HEAD goes wherever GET does, and OPTIONS everywhere. An answer to a POST means: durable, and covered
by a published checkpoint. Source of the read path: C2SP tlog-tiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from log_server.exchange import CORS, Answer, Operation, Request, Response, Route
from log_server.health import Health
from log_server.openapi import describe
from log_server.reading import ReadPath
from log_server.router import Router
from log_server.writing import MAX_BATCH_BYTES, WritePath
from verifier.tlog.tile import MAX_ENTRY

__all__ = ["ENTRY_MEDIA_TYPES", "TILE_PATTERN", "create_app", "log_routes"]

ENTRY_MEDIA_TYPES = ("application/json", "application/vnd.dsse.envelope.v1+json")
"""What ``/v1/entries`` takes (DSSE v1.0, envelope media type; the entry is also plain JSON)."""

TILE_PATTERN = r"^([0-9]+|entries)/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]+)?$"
"""What follows ``/tile/`` in the path of a tile or entry bundle."""

_Schema = Mapping[str, object]

_OCTETS = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"
_STRING: _Schema = {"type": "string"}
_INDEX: _Schema = {"type": "integer", "minimum": 0}
_BYTES: _Schema = {"type": "string", "contentMediaType": _OCTETS}
_WAIT = {"wait": ("sequenced", "published")}


def create_app(*, reading: ReadPath, writing: WritePath, health: Health) -> Router:
    """The application of a log."""
    routes = log_routes(reading=reading, writing=writing, health=health)
    document = f"{json.dumps(describe(routes), indent=1)}\n".encode("ascii")

    def openapi(request: Request) -> Answer:
        del request
        return Answer(HTTPStatus.OK, document, "application/json", CORS)

    operation = Operation(
        name="openapi",
        summary="This document",
        answer=openapi,
        responses=(_ok("OpenAPI 3.1", "application/json", {"type": "object"}),),
    )
    return Router((*routes, Route(path="/openapi.json", operations={"GET": operation})))


def log_routes(*, reading: ReadPath, writing: WritePath, health: Health) -> tuple[Route, ...]:
    """Everything that is served, but for the description of it."""
    checkpoint = Operation(
        name="checkpoint",
        summary="The newest checkpoint (C2SP tlog-checkpoint)",
        answer=reading.checkpoint,
        responses=(_ok("A signed note", _TEXT, _STRING),),
    )
    tile = Operation(
        name="tile",
        summary="A tile or an entry bundle (C2SP tlog-tiles); bundles as gzip if that is accepted",
        answer=reading.tile,
        responses=(_ok("Hashes, or entries", _OCTETS, _BYTES),),
    )
    healthy = Operation(
        name="health",
        summary="Whether the log takes entries and its newest checkpoint is sound and not stale",
        answer=health.answer,
        responses=(_ok("All is well", "application/json", _object(size=_INDEX, root=_STRING)),),
    )
    return (
        Route(path="/checkpoint", operations={"GET": checkpoint}),
        Route(path="/tile/{resource}", operations={"GET": tile}, pattern=TILE_PATTERN),
        Route(path="/add", operations={"POST": _add(writing)}),
        Route(path="/v1/batch", operations={"POST": _batch(writing)}),
        Route(path="/v1/entries", operations={"POST": _typed(writing)}),
        Route(path="/health", operations={"GET": healthy}),
    )


def _add(writing: WritePath) -> Operation:
    return Operation(
        name="add",
        summary="Append one raw entry of 1 to 65,535 bytes; an entry that is there keeps its index",
        answer=writing.add,
        takes=(_OCTETS,),
        max_body=MAX_ENTRY,
        problems=(HTTPStatus.FORBIDDEN,),
        query=_WAIT,
        responses=(_ok("Its index in decimal", _TEXT, {"type": "string", "pattern": "^[0-9]+$"}),),
    )


def _batch(writing: WritePath) -> Operation:
    schema = _object(indices={"type": "array", "items": _INDEX, "minItems": 1}, checkpoint=_STRING)
    return Operation(
        name="addBatch",
        summary="Append 1 to 4,096 raw entries, written as in an entry bundle (C2SP tlog-tiles)",
        answer=writing.add_batch,
        takes=(_OCTETS,),
        max_body=MAX_BATCH_BYTES,
        problems=(HTTPStatus.FORBIDDEN,),
        query=_WAIT,
        responses=(_ok("Their indices, in order", "application/json", schema),),
    )


def _typed(writing: WritePath) -> Operation:
    return Operation(
        name="addTyped",
        summary="Append one typed entry, and get its proof",
        answer=writing.add_typed,
        takes=ENTRY_MEDIA_TYPES,
        strict=True,
        max_body=MAX_ENTRY,
        query=_WAIT,
        responses=(
            _ok("Index and tlog-proof", "application/json", _object(index=_INDEX, proof=_STRING)),
        ),
        problems=(
            HTTPStatus.FORBIDDEN,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    )


def _ok(description: str, media_type: str, schema: _Schema) -> Response:
    return Response(
        status=HTTPStatus.OK, description=description, media_type=media_type, schema=schema
    )


def _object(**properties: _Schema) -> _Schema:
    return {"type": "object", "properties": properties, "required": sorted(properties)}
