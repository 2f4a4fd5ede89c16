"""``key-configuration/v1``: the keys that everyone is given for one role.

A client that is handed a key compares its very bytes with a logged one, so that nobody can be
given a key of their own. Source: design section 4; RFC 9458 section 3 (OHTTP key configuration),
RFC 9578 section 6.5 (token issuer key), RFC 9180 (HPKE public key);
schemas/key-configuration.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from verifier.release.members import read_period
from verifier.release.statement import NAME, Statement
from verifier.release.subject import require_subjects
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_hex

__all__ = [
    "MAX_KEY",
    "PREDICATE_TYPE",
    "ROLES",
    "USES",
    "ConfiguredKey",
    "KeyConfiguration",
    "parse_key_configuration",
]

PREDICATE_TYPE = "urn:cvm-audit:key-configuration:v1"

ROLES = ("gateway", "issuer", "node", "relay")
"""Whose keys can be configured."""

USES = ("hpke", "ohttp", "token")
"""What a key is for, which also says what its bytes are; see ``ConfiguredKey``."""

MAX_KEY = 4096
"""Most bytes of one key."""

_MAX_KEYS = 16


@dataclass(frozen=True, slots=True)
class ConfiguredKey:
    """One key, as clients get it.

    ``encoded`` is, by ``use``: ``ohttp`` one key configuration (RFC 9458 section 3), whose first
    byte is the ``key_id``; ``token`` the SubjectPublicKeyInfo of an issuer, whose SHA-256 is the
    ``key_id`` (RFC 9578); ``hpke`` a serialised public key (RFC 9180 section 4), with a ``key_id``
    of 1 to 32 bytes of the operator's choice.
    """

    name: str
    use: str
    key_id: bytes
    algorithms: tuple[str, ...]
    encoded: bytes


@dataclass(frozen=True, slots=True)
class KeyConfiguration:
    """All keys of ``role`` that clients may be given from ``not_before`` to ``not_after``."""

    role: str
    keys: tuple[ConfiguredKey, ...]
    not_before: datetime
    not_after: datetime


def parse_key_configuration(statement: Statement) -> KeyConfiguration:
    """Read the predicate; each subject is one key, by the SHA-256 of its bytes.

    Raises ParseError.
    """
    predicate = statement.predicate
    role = predicate.choice("role", ROLES)
    members = predicate.array("keys", minimum=1, maximum=_MAX_KEYS)
    keys = tuple(
        _key(JsonObject(member, what=f"{predicate.what}.keys[{place}]"))
        for place, member in enumerate(members)
    )
    not_before, not_after = read_period(predicate)
    predicate.end()
    digests = {key.name: sha256(key.encoded).digest() for key in keys}
    if len(digests) != len(keys):
        raise predicate.refuse("keys", expected="a name for each key", got="one name twice")
    if len({(key.use, key.key_id) for key in keys}) != len(keys):
        raise predicate.refuse("keys", expected="a keyId for each key", got="one keyId twice")
    require_subjects(statement, digests)
    return KeyConfiguration(role, keys, not_before, not_after)


def _key(item: JsonObject) -> ConfiguredKey:
    key = ConfiguredKey(
        name=item.text("name", pattern=NAME),
        use=item.choice("use", USES),
        key_id=_bytes(item, "keyId", maximum=32),
        algorithms=_algorithms(item),
        encoded=_bytes(item, "encoded", maximum=MAX_KEY),
    )
    item.end()
    required = {"ohttp": key.encoded[:1], "token": sha256(key.encoded).digest()}.get(key.use)
    if required is not None and key.key_id != required:
        raise item.refuse("keyId", expected=required.hex(), got=key.key_id.hex())
    return key


def _algorithms(item: JsonObject) -> tuple[str, ...]:
    # Names of the IANA registries: HPKE and "Privacy Pass Token Types".
    return item.texts("algorithms", pattern=r"[0-9A-Za-z(][ -~]{0,63}", minimum=1)


def _bytes(item: JsonObject, name: str, *, maximum: int) -> bytes:
    text = item.text(name, pattern=rf"(?:[0-9a-f]{{2}}){{1,{maximum}}}")
    return parse_hex(text, what=f"{item.what}.{name}")
