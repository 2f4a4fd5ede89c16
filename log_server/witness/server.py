"""Serving a witness from a listening socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from log_server.protocol import Application, Connections, HttpProtocol

__all__ = ["WitnessServer"]

_DRAIN_SECONDS = 30.0
_TICK_SECONDS = 1.0


class WitnessServer:
    """Serves until it is told to stop."""

    def __init__(
        self, listener: socket.socket, *, application: Application, ready: Callable[[], None]
    ) -> None:
        """``ready`` is called when requests are answered."""
        self._listener = listener
        self._application = application
        self._ready = ready
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    def run(self) -> None:
        """Serve; returns when every request that was taken is answered."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        """Take no more requests, answer those under way, and return from ``run``."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        shared = Connections(self._application, self._loop)
        server = await self._loop.create_server(lambda: HttpProtocol(shared), sock=self._listener)
        shared.tick()
        self._ready()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
            shared.tick()
        server.close()
        shared.stop()
        end = self._loop.time() + _DRAIN_SECONDS
        while shared.open and self._loop.time() < end:
            shared.tick()
            await asyncio.sleep(0.05)
