"""The guest policy: what it says, and every member with each thing wrong."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pipeline.node.guest_policy import MAX_GUEST_POLICY, parse_guest_policy
from tests.making import PUBLISHER
from tests.pipeline.node.guests import LOG, guest_policy
from tests.running import ROOT
from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, PolicyError

SCHEMA: dict[str, Any] = json.loads(
    (ROOT / "schemas" / "guest-policy.v1.schema.json").read_text("utf-8")
)
KEY = str(PUBLISHER.key.vkey)


def test_it_says_role_log_publishers_and_port() -> None:
    raw = guest_policy()
    policy = parse_guest_policy(raw)
    assert policy.role == "summariser"
    assert policy.log_policy.logs == (LOG.key,)
    assert policy.publishers == (PUBLISHER.key,)
    assert (policy.publisher_threshold, policy.listen) == (1, 8443)
    jsonschema.validate(json.loads(raw), SCHEMA)


@pytest.mark.parametrize(
    ("changes", "error", "what", "expected", "got"),
    [
        ({"schema": "x"}, ParseError, "guest policy.schema", "guest-policy/v1", "x"),
        ({"role": "A role"}, ParseError, "guest policy.role", "text like", "A role"),
        ({"logPolicy": ...}, ParseError, "guest policy.logPolicy", "the member", "missing"),
        ({"logPolicy": ""}, ParseError, "guest policy.logPolicy", "text like", "''"),
        ({"logPolicy": "x\n"}, PolicyError, "policy line 1", "quorum", "x"),
        ({"logPolicy": f"log {LOG.key}\n"}, PolicyError, "policy", "quorum line", "none"),
        ({"publishers": []}, ParseError, "guest policy.publishers", "1 to 1024", "0"),
        ({"publishers": [KEY, KEY]}, ParseError, "guest policy.publishers", "distinct", "twice"),
        ({"publisherThreshold": 0}, ParseError, "guest policy.publisherThreshold", "1 to 1", "0"),
        ({"publisherThreshold": 2}, ParseError, "guest policy.publisherThreshold", "1 to 1", "2"),
        ({"listen": 0}, ParseError, "guest policy.listen", "1 to 65535", "0"),
        ({"listen": 65_536}, ParseError, "guest policy.listen", "1 to 65535", "65536"),
        ({"shell": True}, ParseError, "guest policy", "no unknown member", "shell"),
    ],
)
def test_a_wrong_member_is_refused(
    changes: dict[str, Any], error: type[AuditError], what: str, expected: str, got: str
) -> None:
    with rejects(error, what, expected=expected, got=got):
        parse_guest_policy(guest_policy(**changes))


def test_a_publisher_that_is_no_key_is_refused() -> None:
    with pytest.raises(ParseError):
        parse_guest_policy(guest_policy(publishers=["nobody"]))


def test_what_is_too_large_is_refused() -> None:
    expected = f"at most {MAX_GUEST_POLICY} bytes"
    with rejects(ParseError, "guest policy", expected=expected, got="65537 bytes"):
        parse_guest_policy(b" " * (MAX_GUEST_POLICY + 1))
