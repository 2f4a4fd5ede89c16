"""The keys of the private path, out of a logged key configuration, while it is valid.

Whoever uses this has found the configuration in the log and read it (``key-configuration/v1``).
The keys keep the order of the entry, and clients use the first, so that all of them use the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from verifier.errors import UnsupportedError, VerificationError
from verifier.wire.ohttp_keys import OhttpKey, parse_ohttp_key
from verifier.wire.token_key import TokenKey, parse_token_key

__all__ = ["KeySet", "open_key_set"]

_WHAT = "key configuration"


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys that clients may use from ``not_before`` until ``not_after``; at least one is there.

    ``ohttp`` are a gateway's, ``token`` an issuer's, each in the order of the entry.
    """

    ohttp: tuple[OhttpKey, ...]
    token: tuple[TokenKey, ...]
    not_before: datetime
    not_after: datetime


def open_key_set(
    keys: Iterable[tuple[str, bytes]],
    *,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
) -> KeySet:
    """The keys of one configuration, given as ``use`` and ``encoded`` of each of its members.

    Keys for another use than ``ohttp`` and ``token``, and those for algorithms that are not ours,
    are passed over. Raises VerificationError outside of the validity (``now`` is aware, UTC),
    ParseError for a key that is not what its use says, UnsupportedError if none is left.
    """
    if not not_before <= now < not_after:
        expected = f"{not_before:%Y-%m-%dT%H:%M:%SZ} to {not_after:%Y-%m-%dT%H:%M:%SZ}"
        got = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        raise VerificationError(f"validity of the {_WHAT}", expected=expected, got=got)
    ohttp: list[OhttpKey] = []
    token: list[TokenKey] = []
    for use, encoded in keys:
        if use == "token":
            token.append(parse_token_key(encoded))
        elif use == "ohttp":
            try:
                ohttp.append(parse_ohttp_key(encoded))
            except UnsupportedError:
                continue
    if not ohttp and not token:
        got = "only keys of other kinds"
        raise UnsupportedError(_WHAT, expected="a key for ohttp or token", got=got)
    return KeySet(tuple(ohttp), tuple(token), not_before, not_after)
