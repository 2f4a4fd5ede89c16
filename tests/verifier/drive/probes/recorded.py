"""Recordings, roles and a lab as the probes are given them, made of nothing but bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from verifier.drive.lab import LocalRole
from verifier.drive.probes.exchanges import Exchange, Message
from verifier.drive.tap import Direction, Piece, Recording

HEAD = (
    b"POST / HTTP/1.1",
    b"Host: 127.0.0.1:8081",
    b"Accept: message/ohttp-res",
    b"Content-Type: message/ohttp-req",
)


def recording(there: bytes, back: bytes = b"", peer: str = "127.0.0.1") -> Recording:
    pieces = (Piece(Direction.THERE, 1.0, there), Piece(Direction.BACK, 2.0, back))
    return Recording((peer, 50_000), 0.5, 3.0, tuple(each for each in pieces if each.content))


def message(body: bytes, lines: Iterable[bytes] = HEAD) -> bytes:
    length = f"Content-Length: {len(body)}".encode()
    return b"\r\n".join((*lines, length, b"", b"")) + body


def exchange(request: bytes, answer: bytes, lines: Iterable[bytes] = HEAD) -> Exchange:
    head = message(request, lines)[: -len(request) or None]
    answered = message(answer, (b"HTTP/1.1 200 OK",))[: -len(answer) or None]
    return Exchange(Message(head, request), Message(answered, answer))


def role(folder: Path, name: str = "gateway", pid: int | None = None) -> LocalRole:
    folder.mkdir(exist_ok=True)
    log = folder / "counts.log"
    log.write_bytes(b'{"counts": {}}\n')
    return LocalRole(name=name, pid=os.getpid() if pid is None else pid, log=log, directory=folder)


def fields_of(error: Any) -> tuple[str, str, str]:
    """What, expected and got of a caught error."""
    return error.value.what, error.value.expected, error.value.got
