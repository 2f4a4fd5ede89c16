"""The description of the server, held against the server: every path, method and answer in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from log_server.app import TILE_PATTERN
from log_server.log_folder import OpenLog
from tests.log_server.conftest import Serve
from verifier.errors import ParseError, UnsupportedError

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
BODIES = (b"", b"{}", b"x", b"\x00\x01a", b"{v9}", bytes(70_000), bytes(2**23 + 1))


def _parse(raw: bytes) -> bytes:
    if not raw.startswith(b"{"):
        raise ParseError("entry", expected="an object", got="another")
    if b"v9" in raw:
        raise UnsupportedError("predicate type", expected="v1", got="v9")
    return raw


@pytest.fixture
def url(open_test_log: OpenLog, serving: Serve) -> Iterator[str]:
    with serving(open_test_log, parse_entry=_parse) as address:
        assert requests.post(f"{address}/add", data=b"one", timeout=10).text == "0"
        yield address


@pytest.fixture
def document(url: str) -> dict[str, Any]:
    response = requests.get(f"{url}/openapi.json", timeout=10)
    assert response.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method.upper(), operation


def _resources(path: str) -> list[str]:
    if "{" not in path:
        return [path]
    assert path == "/tile/{resource}"
    wanted = ("0/000.p/1", "entries/000.p/1", "0/000", "0/00", "x", "entries/x", "")
    return [f"/tile/{resource}" for resource in wanted]


def _require_described(
    document: dict[str, Any], operation: dict[str, Any], response: requests.Response
) -> None:
    described = operation["responses"][str(response.status_code)]
    (media_type,) = described["content"]
    assert response.headers["Content-Type"] == media_type
    schema = described["content"][media_type]["schema"]
    if media_type.endswith("json"):
        Draft202012Validator({**schema, "components": document["components"]}).validate(
            response.json()
        )


def test_it_says_which_paths_there_are(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    found = {(path, method) for path, method, _ in _operations(document)}
    assert found == {
        ("/checkpoint", "GET"),
        ("/tile/{resource}", "GET"),
        ("/add", "POST"),
        ("/v1/batch", "POST"),
        ("/v1/entries", "POST"),
        ("/health", "GET"),
    }
    names = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(names) == len(set(names))
    (parameter,) = document["paths"]["/tile/{resource}"]["parameters"]
    assert parameter["schema"]["pattern"] == TILE_PATTERN


def test_every_read_is_as_described(url: str, document: dict[str, Any]) -> None:
    seen: set[int] = set()
    for path, method, operation in _operations(document):
        if method == "GET":
            for resource in _resources(path):
                response = requests.get(url + resource, timeout=10)
                seen.add(response.status_code)
                _require_described(document, operation, response)
    assert seen == {200, 404}


def test_every_write_is_as_described(url: str, document: dict[str, Any]) -> None:
    seen: dict[str, set[int]] = {}
    for path, method, operation in _operations(document):
        if method == "POST":
            (name,) = (parameter["name"] for parameter in operation["parameters"])
            media_types = (*operation["requestBody"]["content"], "text/x-nothing")
            for media_type in media_types:
                for body in BODIES:
                    for query in ("", f"?{name}=published", f"?{name}=never", "?other=1"):
                        response = requests.post(
                            url + path + query,
                            data=body,
                            headers={"Content-Type": media_type},
                            timeout=10,
                        )
                        seen.setdefault(path, set()).add(response.status_code)
                        _require_described(document, operation, response)
    assert seen == {
        "/add": {200, 400, 413},
        "/v1/batch": {200, 400, 413},
        "/v1/entries": {200, 400, 413, 415, 422},
    }


def test_every_other_method_is_refused_as_described(url: str, document: dict[str, Any]) -> None:
    described = {(path, method) for path, method, _ in _operations(document)}
    for path, _, operation in _operations(document):
        for resource in _resources(path)[:1]:
            for method in METHODS:
                if (path, method) not in described:
                    response = requests.request(method, url + resource, timeout=10)
                    assert response.status_code == 405
                    assert method not in response.headers["Allow"].split(", ")
                    _require_described(document, operation, response)
            allowed = requests.options(url + resource, timeout=10).headers["Allow"]
            stated = {method for known, method in described if known == path}
            implied = {"OPTIONS", "HEAD"} if "GET" in stated else {"OPTIONS"}
            assert set(allowed.split(", ")) == stated | implied
