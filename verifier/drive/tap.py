"""A recording TCP forwarder: put between any two hops, it keeps every byte that passes.

It listens before it knows its target, because the program behind it gets a port only when it
starts. What is searched for in a recording counts as absent only if nothing is missing from the
recording: beyond its limit a tap forwards nothing more, and then gives no recording at all.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from verifier.client.transport import Address
from verifier.errors import FetchError

__all__ = ["MAX_CONNECTIONS", "Direction", "Piece", "Recording", "Tap", "tapping"]

MAX_CONNECTIONS = 4096
"""Most connections of one tap, from its start to its end."""

_CHUNK = 65_536
_TARGET_SECONDS = 30.0  # for which a connection waits until the target is known and answers
_JOIN_SECONDS = 10.0
_BACKLOG = 256


class Direction(StrEnum):
    """Which way bytes went: from whoever connected, or back to it."""

    THERE = "there"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that arrived at once at ``at`` (``time.monotonic``, seconds)."""

    direction: Direction
    at: float
    content: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """One connection: who opened it, when, what passed in order; ``closed`` is None while open."""

    peer: tuple[str, int]
    opened: float
    closed: float | None
    pieces: tuple[Piece, ...]

    def content(self, direction: Direction) -> bytes:
        """All bytes of one direction."""
        return b"".join(piece.content for piece in self.pieces if piece.direction is direction)


class _Connection:
    """Both sockets of a connection, and the threads that carry it; its tap's lock guards it."""

    def __init__(self, near: socket.socket, peer: tuple[str, int], opened: float) -> None:
        self.near = near
        self.far: socket.socket | None = None
        self.peer = peer
        self.opened = opened
        self.closed: float | None = None
        self.pieces: list[Piece] = []
        self._ways_ended = 0
        self._threads: list[threading.Thread] = []

    def run(self, step: Callable[[_Connection], None]) -> None:
        """Do ``step`` in a thread of this connection."""
        thread = threading.Thread(target=step, args=(self,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def cut(self) -> None:
        """Wake and end whoever reads or writes."""
        for end in (self.near, self.far):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def end_one_way(self) -> None:
        """Let go of the sockets once both ways have ended."""
        self._ways_ended += 1
        if self._ways_ended == len(Direction):
            self.let_go()

    def let_go(self) -> None:
        """Give the sockets back."""
        self.closed = time.monotonic()
        for end in (self.near, self.far):
            if end is not None:
                end.close()

    def join(self, seconds: float) -> None:
        """Wait for the threads, those included that one of them still starts."""
        for thread in self._threads:
            thread.join(seconds)


class Tap:
    """Forwards and records; safe under threads. Made by ``tapping``, which also ends it."""

    def __init__(self, listener: socket.socket, limit: int) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listener = listener
        self._limit = limit
        self._recorded = 0
        self._exceeded = ""
        self._closed = False
        self._target: Address | None = None
        self._target_known = threading.Event()
        self._connections: list[_Connection] = []
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def forward_to(self, target: Address) -> None:
        """Say where connections go, those that already wait included. ValueError if said twice."""
        with self._lock:
            if self._target is not None:
                raise ValueError("the target is known already")
            self._target = target
        self._target_known.set()

    def move_to(self, target: Address) -> None:
        """Say where connections go from now on. ValueError if nothing was said before."""
        with self._lock:
            if self._target is None:
                raise ValueError("no target is known yet")
            self._target = target

    def recordings(self) -> tuple[Recording, ...]:
        """Every connection so far, in the order of their opening.

        Raises FetchError if a limit was reached, because then something is missing.
        """
        with self._lock:
            if self._exceeded:
                raise FetchError("tap", expected=f"at most {self._exceeded}", got="more")
            return tuple(
                Recording(each.peer, each.opened, each.closed, tuple(each.pieces))
                for each in self._connections
            )

    def close(self) -> None:
        """Cut every connection, and wait until nothing of the tap runs any more."""
        with self._lock:
            self._closed = True
            for connection in self._connections:
                connection.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._target_known.set()
        self._accepting.join(_JOIN_SECONDS)
        for connection in self._connections:
            connection.join(_JOIN_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                near, peer = self._listener.accept()
            except OSError:
                return  # closed
            connection = _Connection(near, (peer[0], peer[1]), time.monotonic())
            with self._lock:
                if self._closed:
                    near.close()
                    return
                if len(self._connections) == MAX_CONNECTIONS:
                    self._exceeded = self._exceeded or f"{MAX_CONNECTIONS} connections"
                    near.close()
                    continue
                self._connections.append(connection)
            connection.run(self._connect)

    def _connect(self, connection: _Connection) -> None:
        self._target_known.wait(_TARGET_SECONDS)
        far = None
        with contextlib.suppress(OSError):
            if self._target is not None:
                far = _connect(self._target, connection.peer[0])
        with self._lock:
            connection.far = far
            if far is None or self._closed:
                connection.cut()
                connection.let_go()
                return
            far.settimeout(None)
        connection.run(self._carry_back)
        self._carry(connection, connection.near, far, Direction.THERE)

    def _carry_back(self, connection: _Connection) -> None:
        if connection.far is not None:
            self._carry(connection, connection.far, connection.near, Direction.BACK)

    def _carry(
        self, connection: _Connection, source: socket.socket, sink: socket.socket, way: Direction
    ) -> None:
        try:
            while part := source.recv(_CHUNK):
                self._record(connection, Piece(way, time.monotonic(), part))
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            with self._lock:
                connection.cut()
        with self._lock:
            connection.end_one_way()

    def _record(self, connection: _Connection, piece: Piece) -> None:
        """Before it is sent on: what anybody has seen stands in the recording."""
        with self._lock:
            self._recorded += len(piece.content)
            if self._recorded > self._limit:
                self._exceeded = self._exceeded or f"{self._limit} bytes"
                raise ConnectionAbortedError(self._exceeded)
            connection.pieces.append(piece)


def _connect(target: Address, source: str) -> socket.socket:
    """From the address that the tap was reached from: who is behind it must see no other."""
    if isinstance(target, tuple):
        return socket.create_connection(target, timeout=_TARGET_SECONDS, source_address=(source, 0))
    far = socket.socket(socket.AF_UNIX)
    try:
        far.settimeout(_TARGET_SECONDS)
        far.connect(str(target))
    except OSError:
        far.close()
        raise
    return far


@contextmanager
def tapping(*, limit: int) -> Iterator[Tap]:
    """A tap on a free port of the loopback interface while the block runs.

    It records at most ``limit`` bytes, which it keeps in memory.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        tap = Tap(listener, limit)
        try:
            yield tap
        finally:
            tap.close()
