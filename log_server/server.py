"""Serving an open log: listening sockets, the event loop, and a drain before the end."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import uvloop

from log_server.admission import EntryParser
from log_server.app import create_app
from log_server.entry_queue import EntryQueue, OpenQueue
from log_server.errors import ConfigurationError
from log_server.health import Check, Health
from log_server.intake import Committer, Intake, Observer
from log_server.metrics import Metrics
from log_server.protocol import Connections, HttpProtocol
from log_server.publisher import Publisher
from log_server.reading import ReadPath
from log_server.router import Router
from log_server.writing import WritePath
from verifier.tlog.note import VerificationKey

__all__ = ["LogServer", "listen", "queue_before"]

_BACKLOG = 2048
_LEAVE_SECONDS = 5.0
_TICK_SECONDS = 1.0
_SWITCH_SECONDS = 0.001
_COLLECT_EVERY = 100_000


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        got = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(
            "listening address", expected="a free local address", got=f"{host}:{port}: {got}"
        ) from error


def queue_before(sequencer: Committer, *, require: Callable[[Sequence[bytes]], None]) -> OpenQueue:
    """The queue of a server that has its log for itself; ``require`` is as for ``Intake``."""

    def open_queue(observer: Observer, stopped: Callable[[], None]) -> Intake:
        return Intake(
            sequencer,
            clock=lambda: datetime.now(UTC),
            require=require,
            stopped=stopped,
            observer=observer,
        )

    return open_queue


class LogServer:
    """Serves an open log from one listening socket until it is told to stop or the log fails."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        open_queue: OpenQueue,
        publisher: Publisher,
        keys: tuple[VerificationKey, ...],
        parse_entry: EntryParser,
        ready: Callable[[], None],
        metrics: Metrics,
        metrics_listener: socket.socket | None = None,
        checks: tuple[Check, ...] = (),
    ) -> None:
        """``ready`` is called when requests are answered.

        ``open_queue`` is called once, in the event loop; ``checks`` are further ones of
        ``/health``. Figures are served only on ``metrics_listener``.
        """
        self._listener = listener
        self._open_queue = open_queue
        self._publisher = publisher
        self._keys = keys
        self._parse_entry = parse_entry
        self._ready = ready
        self._metrics = metrics
        self._metrics_listener = metrics_listener
        self._checks = checks
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._stop_asked = False

    def run(self) -> None:
        """Serve; returns when everything that was taken is answered.

        Raises the LogError that stopped the log, if one did.
        """
        before, thresholds = sys.getswitchinterval(), gc.get_threshold()
        # uvloop takes the interpreter lock anew for every event; with Python's 5 ms, each could
        # wait that long for the sequencer's thread.
        sys.setswitchinterval(_SWITCH_SECONDS)
        # A commit makes tens of thousands of objects, and none of them in a cycle: with Python's
        # 700, a fifteenth of the time goes into looking for one.
        gc.set_threshold(_COLLECT_EVERY, *thresholds[1:])
        try:
            uvloop.run(self._serve())
        finally:
            gc.set_threshold(*thresholds)
            sys.setswitchinterval(before)

    def stop(self) -> None:
        """Take no more requests, answer those that wait, and return from ``run``."""
        self._stop_asked = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        # A log that failed must not go on answering 503: ending lets a supervisor start it again,
        # and starting is what repairs.
        intake = self._open_queue(self._metrics, self._stopping.set)
        shared = self._connections(intake, loop)
        listeners = [self._listener]
        if self._metrics_listener is not None:
            listeners.append(self._metrics_listener)
            shared.append(Connections(Router(self._metrics.routes), loop))
        sequencing = asyncio.create_task(intake.run())
        ticking = asyncio.create_task(_tick(shared))
        servers = [
            await loop.create_server(partial(HttpProtocol, connections), sock=listener)
            for connections, listener in zip(shared, listeners, strict=True)
        ]
        self._ready()
        if not self._stop_asked:
            await self._stopping.wait()
        for server in servers:
            server.close()
        intake.drain()
        await asyncio.wait((sequencing,))
        await _leave(shared)
        ticking.cancel()
        await sequencing
        if intake.failure is not None:
            raise intake.failure

    def _connections(
        self, intake: EntryQueue, loop: asyncio.AbstractEventLoop
    ) -> list[Connections]:
        app = create_app(
            reading=ReadPath(self._publisher),
            writing=WritePath(
                intake=intake, publisher=self._publisher, parse_entry=self._parse_entry
            ),
            health=Health(
                intake=intake, publisher=self._publisher, keys=self._keys, checks=self._checks
            ),
        )
        main = Connections(app, loop)
        self._metrics.watch(
            outstanding=lambda: intake.outstanding, connections=lambda: len(main.open)
        )
        return [main]


async def _tick(shared: Sequence[Connections]) -> None:
    while True:
        for connections in shared:
            connections.tick()
        await asyncio.sleep(_TICK_SECONDS)


async def _leave(shared: Sequence[Connections]) -> None:
    for connections in shared:
        connections.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            for connections in shared:
                await connections.empty.wait()
    for connections in shared:
        for connection in tuple(connections.open):
            connection.abort()
    await asyncio.sleep(0)
