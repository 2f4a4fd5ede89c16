"""The tap: every byte that passed, whose it was and when, or no recording at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from verifier.drive import tap as module
from verifier.drive.tap import Direction, Recording, Tap, tapping
from verifier.errors import FetchError

_LIMIT = 1_000_000
_SECONDS = 10.0


class Echo:
    """A server that says each part twice, and ends when its client does."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            try:
                while part := peer.recv(65_536):
                    peer.sendall(part + part)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    with closing(server.listener):
        yield server
        server.listener.shutdown(socket.SHUT_RDWR)


def connected(tap: Tap) -> socket.socket:
    return socket.create_connection(tap.address, timeout=_SECONDS)


def received(client: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size and (part := client.recv(65_536)):
        content += part
    return content


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def closed(tap: Tap) -> tuple[Recording, ...]:
    until(lambda: all(each.closed is not None for each in tap.recordings()))
    return tap.recordings()


def test_both_directions_are_recorded_with_peer_and_times(echo: Echo) -> None:
    before = time.monotonic()
    with tapping(limit=_LIMIT) as tap:
        tap.forward_to(echo.address)
        with connected(tap) as client:
            own = client.getsockname()
            client.sendall(b"one")
            assert received(client, 6) == b"oneone"
            (still_open,) = tap.recordings()
            assert still_open.closed is None
            client.sendall(b"two")
            client.shutdown(socket.SHUT_WR)
            assert received(client, 7) == b"twotwo"
        (recording,) = closed(tap)
    assert recording.peer == own
    assert recording.content(Direction.THERE) == b"onetwo"
    assert recording.content(Direction.BACK) == b"oneonetwotwo"
    times = [recording.opened, *(piece.at for piece in recording.pieces), recording.closed]
    assert times == sorted(times, key=lambda at: at or 0.0)
    assert before <= recording.opened
    assert [piece.direction.value for piece in recording.pieces[:2]] == ["there", "back"]


def test_a_connection_waits_until_the_target_is_known(echo: Echo) -> None:
    with tapping(limit=_LIMIT) as tap, connected(tap) as client:
        client.sendall(b"early")
        until(tap.recordings)
        assert tap.recordings()[0].pieces == ()
        tap.forward_to(echo.address)
        assert received(client, 10) == b"earlyearly"
        with pytest.raises(ValueError, match="known already"):
            tap.forward_to(echo.address)


def test_much_passes_unchanged_over_several_connections(echo: Echo) -> None:
    sent = bytes(range(256)) * 512
    with tapping(limit=10 * len(sent)) as tap:
        tap.forward_to(echo.address)
        clients = [connected(tap) for _ in range(3)]
        for client in clients:
            with client:
                writer = threading.Thread(target=client.sendall, args=(sent,))
                writer.start()
                assert len(received(client, 2 * len(sent))) == 2 * len(sent)
                writer.join()
        recordings = closed(tap)
    assert [each.content(Direction.THERE) for each in recordings] == [sent] * 3
    assert len({each.peer for each in recordings}) == 3


def test_a_target_that_does_not_answer_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = unused.getsockname()
    with tapping(limit=_LIMIT) as tap, connected(tap) as client:
        tap.forward_to(nobody)
        assert client.recv(1) == b""
        (recording,) = closed(tap)
        assert recording.pieces == ()


def test_beyond_its_limit_there_is_no_recording_and_nothing_passes(echo: Echo) -> None:
    with tapping(limit=4) as tap, connected(tap) as client:
        tap.forward_to(echo.address)
        client.sendall(b"12345")
        assert received(client, 1) == b""
        with pytest.raises(FetchError) as caught:
            tap.recordings()
    assert (caught.value.expected, caught.value.got) == ("at most 4 bytes", "more")


def test_too_many_connections_leave_no_recording(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    with tapping(limit=_LIMIT) as tap:
        tap.forward_to(echo.address)
        with connected(tap) as first, connected(tap) as second:
            first.sendall(b"x")
            assert received(first, 2) == b"xx"
            assert second.recv(1) == b""
            with pytest.raises(FetchError) as caught:
                tap.recordings()
    assert caught.value.expected == "at most 1 connections"


def test_the_end_cuts_what_is_open_and_leaves_no_thread(echo: Echo) -> None:
    before = threading.active_count()
    with tapping(limit=_LIMIT) as tap:
        waiting = connected(tap)
        until(tap.recordings)
    with waiting:
        assert waiting.recv(1) == b""
    with tapping(limit=_LIMIT) as tap:
        tap.forward_to(echo.address)
        client = connected(tap)
        client.sendall(b"x")
        assert received(client, 2) == b"xx"
        address = tap.address
    with client:
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=_SECONDS)
    until(lambda: threading.active_count() <= before)


def test_a_recording_outlives_its_tap(echo: Echo) -> None:
    with tapping(limit=_LIMIT) as tap:
        tap.forward_to(echo.address)
        with connected(tap) as client:
            client.sendall(b"x")
            assert received(client, 2) == b"xx"
    (recording,) = tap.recordings()
    assert recording.content(Direction.THERE) == b"x"
    assert recording.closed is not None


def test_a_tap_reaches_a_unix_socket_and_can_be_moved(echo: Echo, tmp_path: Path) -> None:
    door = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as listener, tapping(limit=_LIMIT) as tap:
        listener.bind(str(door))
        listener.listen()
        with pytest.raises(ValueError, match="no target is known yet"):
            tap.move_to(door)
        tap.forward_to(echo.address)
        tap.move_to(door)
        with connected(tap) as client:
            client.sendall(b"moved")
            behind, _ = listener.accept()
            with behind:
                assert received(behind, 5) == b"moved"
        tap.move_to(tmp_path / "nobody")
        with connected(tap) as client:
            assert client.recv(1) == b""


def test_whoever_is_behind_a_tap_sees_the_address_of_whoever_is_before_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, tapping(limit=_LIMIT) as tap:
        tap.forward_to(listener.getsockname())
        from_ = ("127.0.0.7", 0)
        with socket.create_connection(tap.address, timeout=_SECONDS, source_address=from_):
            behind, peer = listener.accept()
            with behind:
                assert peer[0] == "127.0.0.7"
        assert tap.recordings()[0].peer[0] == "127.0.0.7"
