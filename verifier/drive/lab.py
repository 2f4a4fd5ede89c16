"""What a probe of the private path is given: the running path, and where it can be watched.

A deployment that somebody else runs has no taps and no roles here, and nothing of it can be started
again: a probe that needs one of them then sees nothing, and the appraisal says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from verifier.appraisal.drive.driven import Seen
from verifier.appraisal.policy import Policy
from verifier.client.client import AttestedClient
from verifier.client.web import Url
from verifier.drive.tap import Tap
from verifier.wire.service import SummaryRequest

__all__ = [
    "AS_RECEIVED",
    "CLIENT_HOPS",
    "CVM_HOPS",
    "HOPS",
    "LOOPBACK",
    "FetchKeys",
    "Lab",
    "LocalRole",
    "NewClient",
    "ProbeFunction",
]

CLIENT_HOPS = ("client-relay", "client-issuer", "client-keycdn")
"""The hops on which a client's own bytes begin."""

CVM_HOPS = ("gateway-cvm-0", "gateway-cvm-1")
"""The hops on which they end, by the number of the CVM."""

HOPS = (*CLIENT_HOPS, "relay-gateway", *CVM_HOPS)
"""Every hop of a path that is driven here."""

LOOPBACK = "127.0.0.1"

AS_RECEIVED: Mapping[str, tuple[str, bytes]] = MappingProxyType({})
"""No member of a bundle in place of one that was received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRole:
    """A role that runs on this machine: its name, process, counts, and the folder it writes in."""

    name: str
    pid: int
    log: Path
    directory: Path


class NewClient(Protocol):
    """Makes a client that has sent nothing yet."""

    def __call__(
        self,
        *,
        source: str = LOOPBACK,
        account: int = 0,
        feature_on: bool = True,
        key_cdn: Url | None = None,
        members: Mapping[str, tuple[str, bytes]] = AS_RECEIVED,
    ) -> AttestedClient:
        """A client whose sockets are bound to the loopback address ``source``.

        It uses the account of the issuer with that number, and has the feature switched on or off.
        One that must refuse is told another ``key_cdn``, or judges ``members`` (path to role and
        bytes) in place of what it received.
        """


class FetchKeys(Protocol):
    """Fetches the key document as anybody can."""

    def __call__(self, *, source: str = LOOPBACK, user_agent: str = "") -> bytes:
        """What the key CDN gives to ``source``. Raises FetchError, ParseError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running path under observation, judged by ``policy`` at the instant ``now``.

    ``entry`` is the release that has to answer: a policy may be satisfied by others as well.

    ``taps`` has one for each of ``HOPS``; it and ``roles`` are empty where somebody else runs the
    path, and ``restart_cvm`` and ``secrets_of_roles`` are None. ``accounts`` is how many accounts
    with the issuer there are for clients, numbered from 0.

    ``consoles`` are the files of what each CVM has shown its host, none where somebody else runs
    it. ``restart_cvm`` ends CVM n and boots it again behind the same tap; it raises AuditError
    where that does not serve. ``chat`` is one more thing to ask. ``secrets_of_roles`` are the
    long-lived private keys of the roles by name, to be asked for only after a session has ended.
    """

    entry: bytes
    policy: Policy
    now: datetime
    accounts: int
    new_client: NewClient
    fetch_keys: FetchKeys
    taps: Mapping[str, Tap]
    roles: tuple[LocalRole, ...]
    consoles: Callable[[], tuple[Path, ...]]
    restart_cvm: Callable[[int], None] | None
    secrets_of_roles: Callable[[], Mapping[str, bytes]] | None
    chat: SummaryRequest | None = None

    @property
    def is_watched(self) -> bool:
        """Whether every hop has a tap."""
        return all(hop in self.taps for hop in HOPS)


ProbeFunction = Callable[[Lab], Mapping[str, Seen]]
"""A probe: what it saw by check, nothing where the lab lacks what it needs. Raises no AuditError.
"""
