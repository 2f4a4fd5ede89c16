"""Serving an open log: the listening socket, and a drain before the end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import uvicorn

from log_server.admission import EntryParser
from log_server.app import create_app
from log_server.errors import ConfigurationError
from log_server.intake import Committer, Intake
from log_server.publisher import Publisher

__all__ = ["LogServer", "listen"]

_BACKLOG = 2048
_DRAIN_SECONDS = 30


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


class LogServer:
    """Serves an open log from one listening socket until it is told to stop or the log fails."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        sequencer: Committer,
        publisher: Publisher,
        parse_entry: EntryParser,
        ready: Callable[[], None],
    ) -> None:
        """``ready`` is called when requests are answered."""
        self._sequencer = sequencer
        self._listener = listener
        self._intake: Intake | None = None
        app = create_app(
            publisher=publisher, make_intake=self._make_intake, parse_entry=parse_entry
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        self._server = _Server(config, ready)

    def run(self) -> None:
        """Serve; returns when everything that was taken is answered.

        Raises the LogError that stopped the log, if one did.
        """
        self._server.run(sockets=[self._listener])
        if self._intake is not None and self._intake.failure is not None:
            raise self._intake.failure

    def stop(self) -> None:
        """Take no more requests, answer those that wait, and return from ``run``."""
        self._server.should_exit = True

    def _make_intake(self) -> Intake:
        # A log that failed must not go on answering 503: ending lets a supervisor start it again,
        # and starting is what repairs.
        self._intake = Intake(self._sequencer, clock=lambda: datetime.now(UTC), stopped=self.stop)
        return self._intake


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
