"""The table of routes as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from log_server import __version__
from log_server.exchange import Operation, Response, Route
from log_server.problems import PROBLEM_MEDIA_TYPE

__all__ = ["PROBLEM_SCHEMA", "describe"]

_TEXT: dict[str, object] = {"type": "string"}

PROBLEM_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "field": _TEXT,
        "expected": _TEXT,
        "got": _TEXT,
    },
    "required": ["detail", "expected", "field", "got", "status", "title", "type"],
    "additionalProperties": False,
}
"""RFC 9457, and beside it what was wrong: which field, what was expected, and what came."""

_EVERYWHERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def describe(routes: Iterable[Route]) -> dict[str, object]:
    """The document, as JSON values."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "A transparency log in the C2SP tlog-tiles form",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {route.path: _path(route) for route in routes},
        "components": {"schemas": {"Problem": PROBLEM_SCHEMA}},
    }


def _path(route: Route) -> dict[str, object]:
    found = {method.lower(): _operation(op) for method, op in sorted(route.operations.items())}
    _, brace, name = route.path.partition("{")
    if not brace:
        return dict(found)
    parameter = {
        "name": name.removesuffix("}"),
        "in": "path",
        "required": True,
        "description": "Slashes included, not escaped",
        "schema": {"type": "string", "pattern": route.pattern},
    }
    for operation in found.values():
        operation["responses"] = {
            **_responses((), (HTTPStatus.NOT_FOUND,)),
            **_members(operation["responses"]),
        }
    return {"parameters": [parameter], **found}


def _members(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _operation(operation: Operation) -> dict[str, object]:
    described: dict[str, object] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": _responses(operation.responses, (*_EVERYWHERE, *operation.problems)),
    }
    if operation.query:
        described["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string", "enum": list(values)}}
            for name, values in operation.query.items()
        ]
    if operation.takes:
        limits = {"type": "string", "minLength": 1, "maxLength": operation.max_body}
        binary = {"schema": limits}
        described["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.takes, binary),
        }
    return described


def _responses(
    responses: tuple[Response, ...], problems: tuple[HTTPStatus, ...]
) -> dict[str, object]:
    described: dict[str, object] = {
        str(response.status.value): {
            "description": response.description,
            "content": {response.media_type: {"schema": dict(response.schema)}},
        }
        for response in responses
    }
    for status in problems:
        described[str(status.value)] = {
            "description": status.phrase,
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return described
