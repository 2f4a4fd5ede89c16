"""``deployment.json``: read exactly, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.running import ROOT
from verifier.client.deployment import Deployment, parse_deployment
from verifier.client.path import PrivatePath
from verifier.client.web import parse_url
from verifier.errors import FetchError, ParseError

SECRET = "0123456789abcdef"
ROLE = {
    "role": "relay",
    "address": "127.0.0.1:4321",
    "pid": 12,
    "log": "/var/relay/counts.log",
    "directory": "/var/relay",
}
DOCUMENT = {
    "schema": "cvm-audit/deployment/v1",
    "authority": "gateway.example",
    "issuer": "https://issuer.example",
    "issuerName": "issuer.example:8443",
    "keyCdn": "https://keys.example:444",
    "relay": "http://127.0.0.1:4321",
    "roles": [ROLE],
}


def raw(**changes: Any) -> bytes:
    document = {name: value for name, value in (DOCUMENT | changes).items() if value is not ...}
    return json.dumps(document).encode()


def test_a_document() -> None:
    deployment = parse_deployment(raw())
    assert deployment.relay == parse_url("http://127.0.0.1:4321", what="relay")
    assert str(deployment.key_cdn) == "https://keys.example:444/"
    assert (deployment.authority, deployment.issuer_name) == (
        "gateway.example",
        "issuer.example:8443",
    )
    (role,) = deployment.roles
    assert (role.role, role.pid, role.log) == ("relay", 12, "/var/relay/counts.log")
    elsewhere = parse_deployment(raw(roles=...))
    assert elsewhere.roles == ()
    urls = {"relay": "http://127.0.0.1:4321", "key_cdn": "https://keys.example:444"}
    names = {"authority": "gateway.example", "issuer_name": "issuer.example:8443"}
    assert Deployment.of(**urls, issuer="https://issuer.example", **names) == elsewhere


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"schema": "cvm-audit/deployment/v2"}, "deployment.schema"),
        ({"more": 1}, "deployment"),
        ({"relay": ...}, "deployment.relay"),
        ({"relay": "http://relay.example"}, "deployment.relay"),
        ({"keyCdn": "ftp://keys.example"}, "deployment.keyCdn"),
        ({"keyCdn": "https://keys.example/cdn"}, "deployment.keyCdn"),
        ({"issuer": 3}, "deployment.issuer"),
        ({"authority": "a:b:c"}, "deployment.authority"),
        ({"roles": []}, "deployment.roles"),
        ({"authority": "Gateway"}, "deployment.authority"),
        ({"issuerName": ""}, "deployment.issuerName"),
        ({"roles": [ROLE, ROLE]}, "deployment.roles"),
        ({"roles": [ROLE | {"role": "client"}]}, "deployment.roles[0].role"),
        ({"roles": [ROLE | {"pid": 0}]}, "deployment.roles[0].pid"),
        ({"roles": [ROLE | {"log": "counts.log"}]}, "deployment.roles[0].log"),
        ({"roles": [ROLE | {"address": "nowhere"}]}, "deployment.roles[0].address"),
        ({"roles": [ROLE | {"more": 1}]}, "deployment.roles[0]"),
    ],
)
def test_a_document_that_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_deployment(raw(**changes))
    assert caught.value.what == what


def test_the_contract_says_the_same() -> None:
    schema = json.loads((ROOT / "schemas" / "deployment.v1.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(raw()), schema)
    jsonschema.validate(json.loads(raw(roles=...)), schema)
    refused: tuple[dict[str, Any], ...] = (
        {"more": 1},
        {"relay": ...},
        {"schema": "x"},
        {"authority": "Gateway"},
        {"roles": []},
    )
    for changes in refused:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(raw(**changes)), schema)


@pytest.mark.usefixtures("offline")
def test_a_path_opens_nothing_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_bytes(raw())
    PrivatePath(file, account=SECRET)
    with pytest.raises(FetchError):
        PrivatePath(tmp_path / "none", account=SECRET)
    file.write_bytes(raw(roles=...) + b" " * 65_536)
    with pytest.raises(ParseError) as caught:
        PrivatePath(file, account=SECRET)
    assert caught.value.expected == "at most 65536 bytes"


def test_names_that_no_challenge_can_say() -> None:
    with pytest.raises(ParseError) as caught:
        PrivatePath(replace(parse_deployment(raw()), authority="a:b:c"), account=SECRET)
    assert (caught.value.what, caught.value.expected) == ("names", "names of hosts")
