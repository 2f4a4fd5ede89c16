"""Tunnels: which CVM, for how long, and how many."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from pipeline.gateway import tunnels as module
from pipeline.gateway.tunnels import (
    IDLE_SECONDS,
    LIFE_SECONDS,
    MAX_AT_A_TIME,
    TunnelEndedError,
    Tunnels,
    TunnelsFullError,
)
from tests.pipeline.roles import Listener, echo, listening, until
from verifier.errors import VerificationError
from verifier.wire.tunnel import MAX_RECORDS, ContinueTunnel


@pytest.fixture
def cvm() -> Iterator[Listener]:
    with listening(echo) as found:
        yield found


def test_every_cvm_is_chosen_equally_often() -> None:
    tunnels_per_cvm = 150
    with ExitStack() as stack:
        cvms = [stack.enter_context(listening(echo)) for _ in range(4)]
        tunnels = Tunnels([each.address for each in cvms])
        for _ in range(tunnels_per_cvm * len(cvms)):
            tunnel, said = tunnels.open(b"x")
            assert said == b"X"
            tunnels.close(tunnel.identifier)
        counts = [each.accepted for each in cvms]
    assert sum(counts) == tunnels_per_cvm * len(cvms)
    # Chi-square with three degrees of freedom: 25 is exceeded by chance once in 65,000 runs.
    chi_square = sum((count - tunnels_per_cvm) ** 2 / tunnels_per_cvm for count in counts)
    assert chi_square < 25, counts


def test_nobody_waits_for_a_cvm_that_has_not_heard_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 30.0)

    def deaf(peer: socket.socket) -> None:
        while peer.recv(65_536):
            pass

    with listening(deaf) as cvm:
        tunnels, start = Tunnels([cvm.address]), time.monotonic()
        tunnel, said = tunnels.open(bytes(MAX_RECORDS))
        assert said == b""
        assert time.monotonic() - start < 15
        tunnels.close(tunnel.identifier)


def test_identifiers_are_random() -> None:
    with listening(echo) as cvm:
        tunnels = Tunnels([cvm.address])
        made = {tunnels.open(b"x")[0].identifier for _ in range(50)}
        for identifier in made:
            tunnels.close(identifier)
    assert len(made) == 50
    assert {len(identifier) for identifier in made} == {16}


def test_idle_and_old_tunnels_are_closed(cvm: Listener) -> None:
    tunnels = Tunnels([cvm.address])
    idle, _ = tunnels.open(b"x")
    busy, _ = tunnels.open(b"x")
    start = time.monotonic()
    assert tunnels.close_old(start) == 0
    busy.used = start + IDLE_SECONDS
    assert tunnels.close_old(start + IDLE_SECONDS + 1) == 1
    with pytest.raises(KeyError):
        tunnels.find(idle.identifier)
    assert tunnels.find(busy.identifier) is busy
    busy.used = start + LIFE_SECONDS
    assert tunnels.close_old(start + LIFE_SECONDS + 1) == 1
    with pytest.raises(KeyError):
        tunnels.find(busy.identifier)


def test_a_closed_tunnel_says_so_to_who_still_has_it(cvm: Listener) -> None:
    tunnels = Tunnels([cvm.address])
    tunnel, _ = tunnels.open(b"x")
    tunnels.close(tunnel.identifier)
    with pytest.raises(TunnelEndedError) as caught:
        tunnel.go_on(ContinueTunnel("gateway.example", tunnel.identifier, 1, b"x"))
    assert (caught.value.what, caught.value.got) == ("CVM", "it has ended")


def test_there_are_only_so_many_tunnels(cvm: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TUNNELS", 2)
    tunnels = Tunnels([cvm.address])
    first, _ = tunnels.open(b"x")
    tunnels.require_room()
    second, _ = tunnels.open(b"x")
    with pytest.raises(TunnelsFullError) as caught:
        tunnels.require_room()
    assert (caught.value.expected, caught.value.got) == ("at most 2", "one more")
    tunnels.close(first.identifier)
    tunnels.require_room()
    tunnels.close(second.identifier)


def test_a_cvm_that_ends_at_once_leaves_no_tunnel(
    cvm: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TUNNELS", 1)
    tunnels = Tunnels([cvm.address])
    with pytest.raises(TunnelEndedError):
        tunnels.open(b"bye")
    tunnels.require_room()


def test_the_last_words_of_a_cvm_are_delivered() -> None:
    def speak(peer: socket.socket) -> None:
        peer.recv(100)
        peer.sendall(b"last words")

    with listening(speak) as cvm:
        tunnels = Tunnels([cvm.address])
        tunnel, said = tunnels.open(b"x")
        assert said == b"last words"
        with pytest.raises(TunnelEndedError):
            tunnel.go_on(ContinueTunnel("gateway.example", tunnel.identifier, 1, b"x"))
        tunnels.close(tunnel.identifier)


def test_silence_is_an_empty_answer(cvm: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    tunnels = Tunnels([cvm.address])
    tunnel, said = tunnels.open(b"quiet")
    assert said == b""
    tunnels.close(tunnel.identifier)


def test_a_tunnel_keeps_no_more_threads_waiting_than_one_and_a_retry(
    cvm: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 2.0)
    tunnels = Tunnels([cvm.address])
    tunnel, _ = tunnels.open(b"x")
    silent = ContinueTunnel("gateway.example", tunnel.identifier, 1, b"quiet")
    with ThreadPoolExecutor(MAX_AT_A_TIME) as threads:
        waiting = [threads.submit(tunnel.go_on, silent) for _ in range(MAX_AT_A_TIME)]
        until(lambda: tunnel._free._value == 0)
        before = time.monotonic()
        with pytest.raises(TunnelsFullError) as caught:
            tunnel.go_on(silent)
        assert time.monotonic() - before < 1
        assert [each.result() for each in waiting] == [b"", b""]
    assert caught.value.what == "requests of the tunnel"
    assert (caught.value.expected, caught.value.got) == ("at most 2 at a time", "one more")
    following = ContinueTunnel("gateway.example", tunnel.identifier, 2, b"on")
    assert tunnel.go_on(following) == b"ON"
    refused = ContinueTunnel("gateway.example", tunnel.identifier, 9, b"")
    for _ in range(MAX_AT_A_TIME + 1):  # a refusal leaves its place free
        with pytest.raises(VerificationError, match="sequence"):
            tunnel.go_on(refused)
    tunnels.close(tunnel.identifier)


def test_a_cvm_that_never_pauses_does_not_keep_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 5.0)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "SPEAK_SECONDS", 0.3)

    def dribble(peer: socket.socket) -> None:
        for _ in range(400):
            peer.sendall(b"x")
            time.sleep(0.02)

    with listening(dribble) as cvm:
        tunnels, start = Tunnels([cvm.address]), time.monotonic()
        tunnel, said = tunnels.open(b"x")
        assert said
        assert time.monotonic() - start < 4  # and not 8
        tunnels.close(tunnel.identifier)
