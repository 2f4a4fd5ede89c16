"""Keys of the private path: what a key CDN gave out, of which one thing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import MALFORMED, logged
from tests.fixture_cases.vendor import MEASUREMENT, rules
from tests.key_documents import (
    OPERATOR,
    STRANGER,
    TOKEN,
    configuration,
    key_document,
    key_entries,
    keys_section,
)
from tests.making import Log, entry, statement
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document

__all__ = ["path_keys"]

_ENTRY = entry(statement(MEASUREMENT))
_GATEWAY, _ISSUER = key_entries()
_REQUIRE = ("evidence", "keys", "log", "release")


def _keyed(
    check: str | None, title: str, *attacks: str, given: tuple[bytes, ...], **case: Any
) -> Case:
    log = Log((_ENTRY, *given))
    held = {
        "release_entry": _ENTRY,
        "release_proof": log.proof(0),
        "key_document": key_document(log, *range(1, len(given) + 1)),
    } | case.pop("held", {})
    text = rules(require=_REQUIRE) + keys_section()
    return logged(check, title, *attacks, held=held, policy=text, **case)


def path_keys() -> Iterator[Case]:
    """Keys of a gateway and an issuer."""
    whole = (_GATEWAY, _ISSUER)
    yield _keyed(
        None,
        "The keys that everyone is given",
        "ATK-077",
        "ATK-078",
        given=whole,
        what="accepted-keys",
        spec=("docs/spec/private-path.md",),
    )
    yield _keyed(
        "keys.format",
        "The key document ends in the middle of a proof",
        "ATK-048",
        given=whole,
        held={"key_document": key_document(Log(whole), 0, 1)[:-1]},
        **MALFORMED,
    )
    yield _keyed(
        "keys.format",
        "The bundle holds no key document",
        "ATK-077",
        given=whole,
        what="missing",
        held={"key_document": None},
        **MALFORMED,
    )
    yield _keyed(
        "keys.signature",
        "A stranger had a gateway's key logged",
        "ATK-077",
        given=(entry(configuration(), by=STRANGER), _ISSUER),
    )
    yield _keyed(
        "keys.validity",
        "The gateway's key ends at the very instant",
        "ATK-077",
        given=(entry(configuration(notAfter="2026-11-21T12:00:00Z"), by=OPERATOR), _ISSUER),
    )
    yield _keyed(
        "keys.complete",
        "The gateway gives out the issuer's key, and the issuer none",
        "ATK-078",
        given=(_GATEWAY, entry(configuration("gateway", "token", TOKEN), by=OPERATOR)),
    )
    alone = entry(configuration(notAfter="2026-12-01T00:00:00Z"), by=OPERATOR)
    log = Log((_ENTRY, *whole))
    document = (
        LoggedConfiguration(alone, log.proof(1)),
        LoggedConfiguration(_ISSUER, log.proof(2)),
    )
    yield _keyed(
        "log.inclusion",
        "A gateway's key that is for one client alone, and not in the log",
        "ATK-077",
        given=whole,
        what="key",
        held={"key_document": encode_key_document(document)},
    )
