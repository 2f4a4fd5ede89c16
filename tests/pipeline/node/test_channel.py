"""The channel to the host: exact reads, lengths, deadlines, and a peer that is not there yet."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.node.channel import Channel
from tests.verifier.tlog.rejection import rejects
from verifier.errors import FetchError, ParseError


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    channel = Channel(ours.detach(), what="processor", ends=True)
    with theirs:
        yield channel, theirs
    channel.close()


def soon(seconds: float = 0.2) -> float:
    return time.monotonic() + seconds


def test_a_field_comes_in_pieces(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends

    def dribble() -> None:
        for byte in struct.pack("<I", 5) + b"hello":
            theirs.sendall(bytes([byte]))
            time.sleep(0.005)

    threading.Thread(target=dribble, daemon=True).start()
    assert channel.receive_field(fewest=0, most=5, deadline=soon(5)) == b"hello"


def test_what_is_sent_arrives_even_if_the_peer_is_slow(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    content = os.urandom(2_000_000)
    received = bytearray()

    def drain() -> None:
        while len(received) < len(content):
            received.extend(theirs.recv(65_536))

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    channel.send(content, deadline=soon(10))
    reader.join(10)
    assert received == content


@pytest.mark.parametrize("size", [4, 11, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused(ends: tuple[Channel, socket.socket], size: int) -> None:
    channel, theirs = ends
    theirs.sendall(struct.pack("<I", size))
    expected, got = "^5 to 10 bytes$", f"^{size}$"
    with rejects(ParseError, "length on processor", expected=expected, got=got):
        channel.receive_field(fewest=5, most=10, deadline=soon())


def test_silence_has_an_end(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(b"abc")
    with rejects(FetchError, "processor", expected="an answer in time", got="none"):
        channel.receive(4, deadline=soon())


def test_a_reader_that_does_not_read_has_an_end(ends: tuple[Channel, socket.socket]) -> None:
    channel, _ = ends
    with rejects(FetchError, "processor", expected="an answer in time", got="none"):
        channel.send(bytes(10_000_000), deadline=soon())


def test_a_peer_that_ends_is_seen(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(b"abc")
    theirs.shutdown(socket.SHUT_WR)
    with rejects(FetchError, "processor", expected="^4 bytes$", got="the end after 3"):
        channel.receive(4, deadline=soon(5))
    theirs.close()
    with rejects(FetchError, "processor", expected="a reader", got="[Pp]ipe"):
        channel.send(b"x", deadline=soon(5))


def test_a_port_waits_for_the_host(tmp_path: Path) -> None:
    # A FIFO that nobody writes reads as ended, as a virtio-serial port does.
    path = tmp_path / "port"
    os.mkfifo(path)
    channel = Channel(os.open(path, os.O_RDONLY | os.O_NONBLOCK), what="release", ends=False)
    with rejects(FetchError, "release", expected="an answer in time", got="none"):
        channel.receive(1, deadline=soon())
    with path.open("wb", buffering=0) as host:
        host.write(b"abc")
        assert channel.receive(3, deadline=soon(5)) == b"abc"
    channel.close()


def test_bytes_before_the_question_are_refused(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    channel.require_silence()
    theirs.sendall(b"x")
    with rejects(ParseError, "processor", expected="nothing before the question", got="bytes"):
        channel.require_silence()
