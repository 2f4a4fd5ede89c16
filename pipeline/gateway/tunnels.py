"""Tunnels to CVMs: which there are, and what each has carried.

A tunnel is a TCP connection to one CVM, chosen uniformly at random for every tunnel, whatever the
token or the bytes. The gateway carries bytes and reads none.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Sequence

from verifier.errors import FetchError, VerificationError
from verifier.wire.tunnel import (
    MAX_RECORDS,
    TUNNEL_ID_SIZE,
    ContinueTunnel,
    TunnelPlace,
    advance_tunnel,
)

__all__ = [
    "GATHER_SECONDS",
    "IDLE_SECONDS",
    "LIFE_SECONDS",
    "MAX_AT_A_TIME",
    "MAX_TUNNELS",
    "SPEAK_SECONDS",
    "WAIT_SECONDS",
    "Tunnel",
    "TunnelEndedError",
    "Tunnels",
    "TunnelsFullError",
]

MAX_TUNNELS = 512
"""Most tunnels at a time."""

MAX_AT_A_TIME = 2
"""Most requests of one tunnel: one that is answered, and one that came again meanwhile.

More would keep threads waiting that other clients need.
"""

IDLE_SECONDS = 120.0
"""A tunnel that nobody used for so long is closed."""

LIFE_SECONDS = 3600.0
"""The longest life of a tunnel."""

WAIT_SECONDS = 2.0
"""How long an answer waits for the first byte of the CVM; then it is empty."""

GATHER_SECONDS = 0.003
"""How long a CVM that has begun to speak may pause within one answer."""

SPEAK_SECONDS = 1.0
"""How long a CVM that has begun to speak may go on within one answer."""

_CONNECT_SECONDS = 10.0
_SEND_SECONDS = 10.0
_CHUNK = 65_536
_SWEEP_SECONDS = 5.0


class TunnelsFullError(VerificationError):
    """There are as many tunnels, or requests in one, as there may be."""


class TunnelEndedError(FetchError):
    """The CVM has closed the connection, or does not take what it is sent."""


class Tunnel:
    """One connection to a CVM; its requests are answered one after the other."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self.identifier = secrets.token_bytes(TUNNEL_ID_SIZE)
        self.opened = self.used = time.monotonic()
        self._connection = connection
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(MAX_AT_A_TIME)
        self._place = TunnelPlace(0, hashlib.sha256(first).digest())
        self._answer: bytes | None = None  # to the last request; None: the CVM has ended

    def start(self, first: bytes) -> bytes:
        """Send the ``first`` bytes: what the CVM says to them. Raises TunnelEndedError."""
        with self._lock:
            self._answer = self._exchange(first)
            return self._said()

    def go_on(self, request: ContinueTunnel) -> bytes:
        """What the CVM says to ``request``, or said to it before.

        Raises VerificationError for a number that does not follow, TunnelsFullError for one request
        too many at a time, and TunnelEndedError.
        """
        if not self._free.acquire(blocking=False):
            expected = f"at most {MAX_AT_A_TIME} at a time"
            raise TunnelsFullError("requests of the tunnel", expected=expected, got="one more")
        with contextlib.ExitStack() as stack:
            stack.callback(self._free.release)
            stack.enter_context(self._lock)
            self.used = time.monotonic()
            place = advance_tunnel(self._place, request)
            if place != self._place:
                self._place = place
                self._answer = None if self._answer is None else self._exchange(request.records)
            return self._said()

    def close(self) -> None:
        """Let go of the CVM, whoever waits for it."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._answer = None
            self._connection.close()

    def _said(self) -> bytes:
        if self._answer is None:
            raise TunnelEndedError("CVM", expected="an open connection", got="it has ended")
        return self._answer

    def _exchange(self, records: bytes) -> bytes | None:
        try:
            self._connection.settimeout(_SEND_SECONDS)
            self._connection.sendall(records)
            # A full message has more behind it: the CVM has nothing to say yet.
            return self._receive(0.0 if len(records) == MAX_RECORDS else WAIT_SECONDS)
        except OSError:
            return None

    def _receive(self, patience: float) -> bytes | None:
        said, most = bytearray(), time.monotonic() + patience + SPEAK_SECONDS
        while len(said) < MAX_RECORDS and time.monotonic() < most and self._speaks(patience):
            part = self._connection.recv(min(_CHUNK, MAX_RECORDS - len(said)))
            if not part:
                return bytes(said) or None  # what came before the end is still delivered
            said += part
            patience = GATHER_SECONDS
        return bytes(said)

    def _speaks(self, seconds: float) -> bool:
        poll = select.poll()  # and not select(2), which knows the first 1024 descriptors only
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


class Tunnels:
    """All tunnels of a gateway to ``cvms``; safe under threads."""

    def __init__(self, cvms: Sequence[tuple[str, int]]) -> None:
        self._cvms = tuple(cvms)
        self._lock = threading.Lock()
        self._tunnels: dict[bytes, Tunnel] = {}
        threading.Thread(target=self._sweep, daemon=True).start()

    def require_room(self) -> None:
        """Raise TunnelsFullError if no further tunnel may be opened, before a token is spent."""
        with self._lock:
            if len(self._tunnels) >= MAX_TUNNELS:
                expected = f"at most {MAX_TUNNELS}"
                raise TunnelsFullError("tunnels", expected=expected, got="one more")

    def open(self, first: bytes) -> tuple[Tunnel, bytes]:
        """A new tunnel, and what its CVM says to the ``first`` bytes.

        Raises FetchError if the CVM is not reached; no other one is tried, because whoever can make
        one fail could so choose another for a client. Raises TunnelEndedError.
        """
        chosen = secrets.choice(self._cvms)
        try:
            connection = socket.create_connection(chosen, timeout=_CONNECT_SECONDS)
        except OSError:
            raise FetchError("CVM", expected="a connection", got="none") from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tunnel = Tunnel(connection, first)
        with self._lock:
            self._tunnels[tunnel.identifier] = tunnel
        try:
            return tunnel, tunnel.start(first)
        except TunnelEndedError:
            self.close(tunnel.identifier)
            raise

    def find(self, identifier: bytes) -> Tunnel:
        """The open tunnel of this identifier. Raises KeyError."""
        with self._lock:
            return self._tunnels[identifier]

    def close(self, identifier: bytes) -> None:
        """Close a tunnel. Raises KeyError if there is none."""
        with self._lock:
            tunnel = self._tunnels.pop(identifier)
        tunnel.close()

    def close_old(self, now: float) -> int:
        """Close those that are idle or too old at ``now`` (``time.monotonic``); how many."""
        with self._lock:
            old = [
                tunnel
                for tunnel in self._tunnels.values()
                if now - tunnel.used > IDLE_SECONDS or now - tunnel.opened > LIFE_SECONDS
            ]
            for tunnel in old:
                del self._tunnels[tunnel.identifier]
        for tunnel in old:
            tunnel.close()
        return len(old)

    def _sweep(self) -> None:
        while True:
            time.sleep(_SWEEP_SECONDS)
            self.close_old(time.monotonic())
