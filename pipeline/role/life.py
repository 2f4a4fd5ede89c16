"""The life of a role: listen, give up rights, say where, serve until told to stop.

Whatever the role reads it opens before it gives up its rights, and none of its files afterwards.
"""

from __future__ import annotations

import asyncio
import codecs
import functools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import click
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.role.counts import Counts
from pipeline.role.exchange import Application, Route
from pipeline.role.options import Address, RoleOptions
from pipeline.role.rights import limit, lower, tie
from verifier.errors import AuditError

__all__ = [
    "EXCHANGE_SECONDS",
    "IDLE_SECONDS",
    "LISTENING",
    "MAX_CONNECTIONS",
    "MAX_HEAD",
    "run_role",
]

LISTENING = "LISTENING "
"""Begins the one line on stdout, once a role listens: ``LISTENING host:port``."""

MAX_CONNECTIONS = 512
"""Most connections at a time; one more is closed at once."""

MAX_HEAD = 8192
"""A request line with its fields that is not whole after so many bytes is refused."""

IDLE_SECONDS = 10
"""How long a connection may wait for its next request."""

EXCHANGE_SECONDS = 60.0
"""A connection on which nothing was answered for so long is cut, whatever happens on it."""

_BACKLOG = 256
_ENCODINGS = ("idna", "utf-16-be")  # of host names, and of the order of canonical JSON
_FAREWELL = 5  # seconds for answers under way when the role is told to stop


def run_role(
    options: RoleOptions, *, prepare: Callable[[], Sequence[Route]], counts: Counts
) -> NoReturn:
    """Serve what ``prepare`` returns until SIGTERM or SIGINT; it is called with all rights.

    Then the process ends, with 0. Raises click.ClickException where that cannot begin.
    """
    logging.disable(logging.CRITICAL)  # libraries would write down requests and addresses
    limit()
    try:
        server = _server(Application(prepare(), counts))
        counts.keep(options.log)
        with _listener(options.listen) as listener:
            lower(options.uid)
            tie(options.parent)
            _serve(server, listener)
    except (AuditError, OSError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        counts.close()
    # Not by returning: Python would wait for threads that wait for somebody else.
    os._exit(0)


def _listener(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)


def _server(application: Application) -> uvicorn.Server:
    config = uvicorn.Config(
        application,
        http=_Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=_FAREWELL,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    # What would otherwise be loaded later, when there may be no right to read it any more.
    config.load()
    config.get_loop_factory()
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    return uvicorn.Server(config)


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Before the server has handlers of its own, and again when it passes on what ended it.
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    sys.stdout.write(f"{LISTENING}{Address(*listener.getsockname()[:2])}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


class _Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with a deadline: it has none for a head, an answer or a slow reader.

    And with an end to the connections that it accepts. Its own limit (``limit_concurrency``) takes
    any number of them, and refuses requests on all.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # as its base class takes it
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._begin()

    def on_response_complete(self) -> None:
        self._begin()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        abort = functools.partial(self.transport.abort)
        self._deadline = self.loop.call_later(EXCHANGE_SECONDS, abort)
