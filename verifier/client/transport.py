"""What carries the bytes of one TLS connection to a CVM: a socket, or a tunnel (``tunnel``)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from verifier.client.deadline import Deadline
from verifier.errors import FetchError

__all__ = ["Address", "SocketTransport", "Transport", "connect_socket"]

Address = tuple[str, int] | Path
"""A host and a port, or a Unix socket."""

_CHUNK = 65_536
_T = TypeVar("_T")


class Transport(Protocol):
    """Bytes there and back, in order, or a FetchError that says why not."""

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        """Take all of ``content`` to be carried, at the latest with the next ``receive``."""

    def receive(self, *, deadline: Deadline) -> bytes:
        """The next bytes, one at least; none once the other end has ended the connection."""

    def close(self, *, deadline: Deadline) -> None:
        """Let go, and say so to the other end if there is time. Raises nothing for the weather."""


class SocketTransport:
    """A connected socket, which this owns."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        """As ``Transport``."""
        self._timed(partial(self._socket.sendall, content), deadline)

    def receive(self, *, deadline: Deadline) -> bytes:
        """As ``Transport``."""
        return self._timed(partial(self._socket.recv, _CHUNK), deadline)

    def close(self, *, deadline: Deadline) -> None:
        """As ``Transport``; a socket needs no time for it."""
        del deadline
        with contextlib.suppress(OSError):
            self._socket.close()

    def _timed(self, operation: Callable[[], _T], deadline: Deadline) -> _T:
        # Python holds sendall as a whole to the timeout, and recv is one wait.
        left = deadline.left("connection")
        try:
            self._socket.settimeout(left)
            return operation()
        except TimeoutError:
            raise deadline.silence("connection") from None
        except OSError as error:
            raise FetchError("connection", expected="an answer", got=_reason(error)) from None


def connect_socket(address: Address, *, deadline: Deadline, source: str = "") -> SocketTransport:
    """Connect to ``address``, from our own address ``source`` unless that is empty.

    The system's own patience bounds the look-up of a name. Raises FetchError.
    """
    what = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
    try:
        if isinstance(address, tuple):
            connection = _connect_tcp(address, deadline, source)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            connection = _connect_unix(address, deadline.left(what))
    except TimeoutError:
        raise deadline.silence(what) from None
    except OSError as error:
        raise FetchError(what, expected="a connection", got=_reason(error)) from None
    except UnicodeError:  # said of a label that is empty or too long, before anyone is asked
        raise FetchError(what, expected="a connection", got="not the name of a host") from None
    return SocketTransport(connection)


def _connect_tcp(address: tuple[str, int], deadline: Deadline, source: str) -> socket.socket:
    ours = (source, 0) if source else None
    error = OSError("no address")
    for family, *_, found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        left = deadline.left(f"{address[0]}:{address[1]}")  # for all of its addresses together
        try:
            return socket.create_connection(
                (str(found[0]), address[1]), timeout=left, source_address=ours
            )
        except OSError as refused:
            error = refused
    raise error


def _connect_unix(path: Path, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(seconds)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
