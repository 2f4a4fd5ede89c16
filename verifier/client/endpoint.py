"""Where a CVM is reached: directly, or through the private path (``path``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from verifier.appraisal.policy import Policy
from verifier.client.deadline import Deadline
from verifier.client.transport import Transport, connect_socket

__all__ = ["DirectEndpoint", "Endpoint", "Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection towards a CVM, and what a bundle holds of how it came about.

    ``members`` map a path to role and bytes.
    """

    transport: Transport
    members: Mapping[str, tuple[str, bytes]]


class Endpoint(Protocol):
    """Opens connections, each to a CVM that nobody believes yet."""

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        """A new connection. Raises FetchError, and what the endpoint demands before it."""

    def renew(self) -> None:
        """Keep nothing that may be why the last connection failed."""


class DirectEndpoint:
    """A CVM at a host and port, or behind a Unix socket. It sees who asks."""

    def __init__(self, address: tuple[str, int] | Path) -> None:
        self._address = address

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        """Connect. Raises FetchError."""
        del policy, now
        return Opened(connect_socket(self._address, deadline=deadline), {})

    def renew(self) -> None:
        """Nothing is kept."""
