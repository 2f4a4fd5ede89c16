"""A private path whose every process can be killed at any moment of the traffic, and started again.

A tap is between any two. Where the test has named a piece of the traffic and a victim, a tap kills
the victim before it passes on the piece, and waits until that process is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.evil.world import Address, World, make_world, running_cvm
from tests.pipeline.roles import AUTHORITY, ISSUER_NAME, PathKeys, Running, running, until
from tests.verifier.client.walked import LIMIT, sent, switched_on
from verifier.client.client import AttestedClient
from verifier.client.deployment import Deployment
from verifier.client.path import PrivatePath
from verifier.drive.tap import Piece, Tap, _Connection

__all__ = ["HOPS", "Moment", "Mortal", "MortalTap", "kill", "mortal_path", "mortal_tap"]

HOPS = {
    "keycdn": ("keycdn",),
    "issuer": ("issuer",),
    "relay": ("relay", "gateway"),
    "gateway": ("gateway", "node"),
    "node": ("node",),
}
"""Who can be killed, and the taps before it and behind it; a tap has the name of who is behind."""


def kill(process: int) -> None:
    """SIGKILL, and wait until nothing of the process is left but its number."""
    os.kill(process, signal.SIGKILL)
    until(lambda: Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z")


class Moment:
    """Before piece ``at`` of some taps, counted from 1, ``strike`` happens; never, if that is 0.

    The piece is not passed on: whoever is struck has not heard it, or has not said it.
    """

    def __init__(self, at: int, strike: Callable[[], None]) -> None:
        self.passed = 0
        self._at = at
        self._strike = strike
        self._lock = threading.Lock()

    def passes(self) -> None:
        """Count a piece. Raises ConnectionAbortedError for the one that nothing follows."""
        with self._lock:
            self.passed += 1
            if self.passed == self._at:
                self._strike()
                raise ConnectionAbortedError

    def over(self) -> bool:
        """Let nothing happen from now on; whether it has happened."""
        with self._lock:
            happened, self._at = 0 < self._at <= self.passed, 0
            return happened


def nobody() -> None:
    """Strike nobody."""


class MortalTap(Tap):
    """A tap that asks its ``moment``, which several may share, before it passes on a piece."""

    def __init__(self, listener: socket.socket, limit: int) -> None:
        self.moment = Moment(0, nobody)
        super().__init__(listener, limit)

    def _record(self, connection: _Connection, piece: Piece) -> None:
        super()._record(connection, piece)
        self.moment.passes()


@dataclass
class Mortal:
    """The path; ``processes`` has the number of each by its name, ``start`` starts one anew."""

    world: World
    start: Callable[[str], None]
    taps: dict[str, MortalTap]
    processes: dict[str, int] = field(default_factory=dict)

    def arm(self, victim: str, at: int) -> Moment:
        """Kill ``victim`` before piece ``at`` from now on of the taps around it; 0 only counts."""
        moment = Moment(at, lambda: kill(self.processes[victim]))
        for name, tap in self.taps.items():
            tap.moment = moment if name in HOPS[victim] else Moment(0, nobody)
        return moment

    def url(self, role: str) -> str:
        return "http://{}:{}".format(*self.taps[role].address)

    def client(self, *, seconds: float) -> AttestedClient:
        """A fresh client, without keys and tokens."""
        deployment = Deployment.of(
            relay=self.url("relay"),
            key_cdn=self.url("keycdn"),
            issuer=self.url("issuer"),
            authority=AUTHORITY,
            issuer_name=ISSUER_NAME,
        )
        return AttestedClient(
            policy=self.world.policy,
            roots=(self.world.root,),
            endpoint=PrivatePath(deployment, account=self.world.keys.bearer, prefetch=3),
            feature=switched_on(),
            seconds=seconds,
        )

    def captured(self) -> bytes:
        """Everything that passed any tap."""
        return b"".join(map(sent, self.taps.values()))


@contextlib.contextmanager
def mortal_path(folder: Path, keys: PathKeys) -> Iterator[Mortal]:
    """Start a node and every role while the block runs."""
    world = make_world(folder, keys)
    with contextlib.ExitStack() as stack:
        taps = {name: stack.enter_context(mortal_tap()) for name in HOPS}
        lives = {name: stack.enter_context(contextlib.ExitStack()) for name in HOPS}
        gateway = "http://{}:{}/".format(*taps["gateway"].address)
        arguments: dict[str, tuple[object, ...]] = {
            "keycdn": tuple(f"--logged={place}" for place in world.logged),
            "issuer": keys.issuer_options(folder / "issued.sqlite"),
            "gateway": keys.gateway_options(folder / "spent.sqlite", [taps["node"].address]),
            "relay": ("--gateway", gateway),
        }

        def start(name: str) -> None:
            lives[name].close()
            address, process = begin(name)
            path.processes[name] = process
            (taps[name].move_to if name in begun else taps[name].forward_to)(address)
            begun.add(name)

        def begin(name: str) -> tuple[Address, int]:
            if name == "node":
                cvm = lives[name].enter_context(running_cvm(world, folder / "node"))
                return cvm.address, cvm.process_id
            role: Running = lives[name].enter_context(
                running(name, *arguments[name], folder=folder / name)
            )
            return role.address, role.process.pid

        begun: set[str] = set()
        path = Mortal(world, start, taps)
        for name in HOPS:
            start(name)
        yield path


@contextlib.contextmanager
def mortal_tap() -> Iterator[MortalTap]:
    """Such a tap on a free port of the loopback interface while the block runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        tap = MortalTap(listener, LIMIT)
        try:
            yield tap
        finally:
            tap.close()
