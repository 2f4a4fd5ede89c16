"""The client's record of a session: one spelling, and every member with each thing wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.running import ROOT
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.wire.session_binding import (
    MAX_CERTIFICATE,
    MAX_SESSION_BINDING,
    SessionBinding,
    encode_session_binding,
    parse_session_binding,
)

BINDING = SessionBinding(
    exporter=b"\x01" * 32,
    nonce=b"\x02" * 32,
    role="summariser",
    spki_sha256=b"\x03" * 32,
    sealing_key_sha256=b"\x04" * 32,
    certificate=b"\x30\x82",
    level="exporter",
)
WHAT = "session binding"
SCHEMA: dict[str, Any] = json.loads(
    (ROOT / "schemas" / "session-binding.v1.schema.json").read_text("utf-8")
)


def document(**changes: Any) -> bytes:
    members = json.loads(encode_session_binding(BINDING)) | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def test_what_is_written_is_read() -> None:
    raw = encode_session_binding(BINDING)
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == 1
    assert parse_session_binding(raw) == BINDING
    jsonschema.validate(json.loads(raw), SCHEMA)


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=1, max_size=400),
)
def test_every_value_is_kept(exporter: bytes, nonce: bytes, certificate: bytes) -> None:
    binding = replace(BINDING, exporter=exporter, nonce=nonce, certificate=certificate)
    assert parse_session_binding(encode_session_binding(binding)) == binding


def test_the_largest_document_fits() -> None:
    binding = replace(BINDING, certificate=bytes(MAX_CERTIFICATE), role="a" * 63)
    assert parse_session_binding(encode_session_binding(binding)) == binding


@pytest.mark.parametrize(
    ("changes", "member", "expected"),
    [
        ({"schema": "cvm-audit/session-binding/v2"}, "schema", "cvm-audit/session-binding/v1"),
        ({"schema": ...}, "schema", "the member"),
        ({"exporter": "00" * 31}, "exporter", "64 lower-case hex digits"),
        ({"exporter": "AA" * 32}, "exporter", "64 lower-case hex digits"),
        ({"exporter": 1}, "exporter", "a string"),
        ({"nonce": "00" * 33}, "nonce", "64 lower-case hex digits"),
        ({"nonce": ...}, "nonce", "the member"),
        ({"role": "Summariser"}, "role", "text like"),
        ({"role": "a" * 64}, "role", "text like"),
        ({"spkiSha256": ""}, "spkiSha256", "64 lower-case hex digits"),
        ({"sealingKeySha256": "00"}, "sealingKeySha256", "64 lower-case hex digits"),
        ({"sealingKeySha256": ...}, "sealingKeySha256", "the member"),
        ({"certificate": ""}, "certificate", "text like"),
        ({"certificate": "abc"}, "certificate", "lower-case hex"),
        ({"certificate": "AB"}, "certificate", "text like"),
        ({"certificate": "ab" * (MAX_CERTIFICATE + 1)}, "certificate", "text like"),
        ({"level": "handshake"}, "level", "^exporter$"),
        ({"level": None}, "level", "a string"),
    ],
)
def test_a_wrong_member_is_refused(changes: dict[str, Any], member: str, expected: str) -> None:
    raw = document(**changes)
    with rejects(ParseError, f"{WHAT}.{member}", expected=expected, got="."):
        parse_session_binding(raw)
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(json.loads(raw)))


def test_an_unknown_member_is_refused() -> None:
    with rejects(ParseError, WHAT, expected="no unknown member", got="ticket"):
        parse_session_binding(document(ticket="x"))


def test_what_is_too_large_or_no_json_is_refused() -> None:
    with rejects(ParseError, WHAT, expected=f"at most {MAX_SESSION_BINDING} bytes", got="bytes"):
        parse_session_binding(b" " * (MAX_SESSION_BINDING + 1))
    with rejects(ParseError, WHAT, expected="an object", got="an array"):
        parse_session_binding(b"[]")
    with rejects(ParseError, WHAT, expected="JSON", got="."):
        parse_session_binding(b"{")


def test_what_no_document_can_say_is_not_written() -> None:
    for changed in (replace(BINDING, exporter=b""), replace(BINDING, level="none")):
        with pytest.raises(ValueError, match="not a session binding"):
            encode_session_binding(changed)
