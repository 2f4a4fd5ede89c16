"""The socket under a session: bytes in order, and no longer than the deadline."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.roles import echo, listening
from verifier.client.deadline import Deadline
from verifier.client.transport import SocketTransport, connect_socket
from verifier.errors import FetchError


@contextlib.contextmanager
def pair() -> Iterator[tuple[SocketTransport, socket.socket]]:
    near, far = socket.socketpair()
    transport = SocketTransport(near)
    with far:
        yield transport, far
    transport.close(deadline=Deadline.after(0))


def test_bytes_there_and_back_and_the_end() -> None:
    with listening(echo) as server:
        transport = connect_socket(server.address, deadline=Deadline.after(5))
        transport.send(b"hello", deadline=Deadline.after(5))
        assert transport.receive(deadline=Deadline.after(5)) == b"HELLO"
        transport.send(b"bye", deadline=Deadline.after(5))
        assert transport.receive(deadline=Deadline.after(5)) == b""
        transport.close(deadline=Deadline.after(0))
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=Deadline.after(5))
        assert caught.value.expected == "an answer"


def test_a_unix_socket(tmp_path: Path) -> None:
    path = Path(os.path.relpath(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        transport = connect_socket(path, deadline=Deadline.after(5))
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"x")
            assert transport.receive(deadline=Deadline.after(5)) == b"x"
        transport.close(deadline=Deadline.after(0))
    with pytest.raises(FetchError) as caught:
        connect_socket(path, deadline=Deadline.after(5))
    assert (caught.value.what, caught.value.expected) == (str(path), "a connection")
    assert caught.value.got == "Connection refused"


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(FetchError) as caught:
        connect_socket(address, deadline=Deadline.after(5))
    assert (caught.value.what, caught.value.got) == (
        f"127.0.0.1:{address[1]}",
        "Connection refused",
    )


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test", ".test"])
def test_a_name_that_no_host_has(host: str) -> None:
    with pytest.raises(FetchError) as caught:
        connect_socket((host, 443), deadline=Deadline.after(5))
    error = caught.value
    assert (error.what, error.expected, error.got) == (
        f"{host}:443",
        "a connection",
        "not the name of a host",
    )


def test_silence_ends() -> None:
    with pair() as (transport, _far):
        began = time.monotonic()
        with pytest.raises(FetchError) as caught:
            transport.receive(deadline=Deadline.after(0.2))
        assert 0.2 <= time.monotonic() - began < 2
    error = caught.value
    assert (error.what, error.expected, error.got) == (
        "connection",
        "an answer",
        "nothing within 0.2 s",
    )


def test_whoever_takes_nothing_is_not_waited_for() -> None:
    with pair() as (transport, _far), pytest.raises(FetchError) as caught:
        transport.send(bytes(16 * 1024 * 1024), deadline=Deadline.after(0.2))
    assert caught.value.got == "nothing within 0.2 s"


def test_a_deadline_that_is_over_sends_nothing() -> None:
    with pair() as (transport, far):
        with pytest.raises(FetchError, match=r"nothing within 0 s"):
            transport.send(b"prompt", deadline=Deadline.after(0))
        with pytest.raises(FetchError):
            connect_socket(("127.0.0.1", 1), deadline=Deadline.after(0))
        transport.close(deadline=Deadline.after(0))
        assert far.recv(16) == b""


def test_the_deadline_is_one_for_all_of_a_drip() -> None:
    with pair() as (transport, far):
        stop = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    far.sendall(b".")

        threading.Thread(target=drip, daemon=True).start()
        deadline, began = Deadline.after(0.3), time.monotonic()

        def read_on() -> None:
            while transport.receive(deadline=deadline):
                pass

        with pytest.raises(FetchError, match=r"nothing within 0\.3 s"):
            read_on()
        stop.set()
        assert time.monotonic() - began < 2
