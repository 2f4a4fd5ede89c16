"""Statements of the kind ``key-configuration/v1`` for the two roles that clients need keys of.

Signing and logging them is the work of ``cvm-audit release publish``. Source:
docs/spec/entry-kinds.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from verifier.release.key_configuration import PREDICATE_TYPE, parse_key_configuration
from verifier.release.statement import STATEMENT_TYPE, parse_statement

__all__ = ["NewKey", "encode_key_statement"]

_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A public key as clients get it; see ``ConfiguredKey`` for what each member is."""

    name: str
    use: str
    key_id: bytes
    algorithms: tuple[str, ...]
    encoded: bytes


def encode_key_statement(
    role: str, key: NewKey, *, not_before: datetime, not_after: datetime
) -> bytes:
    """The statement that ``role`` has ``key``, for ``cvm-audit release publish`` to sign.

    Raises ParseError if the judge could not read it.
    """
    document = {
        "_type": STATEMENT_TYPE,
        "predicate": {
            "keys": [
                {
                    "algorithms": list(key.algorithms),
                    "encoded": key.encoded.hex(),
                    "keyId": key.key_id.hex(),
                    "name": key.name,
                    "use": key.use,
                }
            ],
            "notAfter": not_after.strftime(_INSTANT),
            "notBefore": not_before.strftime(_INSTANT),
            "role": role,
        },
        "predicateType": PREDICATE_TYPE,
        "subject": [{"digest": {"sha256": sha256(key.encoded).hexdigest()}, "name": key.name}],
    }
    raw = json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"
    parse_key_configuration(parse_statement(raw))
    return raw
