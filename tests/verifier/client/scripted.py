"""Servers that say what a test wants, and remember every byte that they were sent."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.pipeline.roles import listening
from tests.verifier.drive.deployed import http

__all__ = ["Scripted", "http", "scripted"]

Respond = Callable[[bytes], bytes | None]
"""The whole answer to the body of a request; None ends the connection without one."""


@dataclass
class Scripted:
    """What a server is at, and was sent: head and body of each request."""

    address: tuple[str, int]
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


@contextlib.contextmanager
def scripted(respond: Respond) -> Iterator[Scripted]:
    """One request a connection, answered in its own thread."""

    def serve(peer: socket.socket) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += _more(peer)
        head, _, body = raw.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < size:
            body += _more(peer)
        found.heads.append(head)
        found.bodies.append(body)
        answer = respond(body)
        if answer is not None:
            peer.sendall(answer)

    with listening(serve) as listener:
        found = Scripted(listener.address)
        yield found


def _more(peer: socket.socket) -> bytes:
    part = peer.recv(65_536)
    if not part:
        raise ConnectionResetError
    return part
