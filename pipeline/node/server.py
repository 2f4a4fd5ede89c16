"""Accepts connections, and serves each in a thread of its own, a bounded number at a time."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from types import TracebackType

from OpenSSL import SSL

from pipeline.node.application import Application, Peer
from pipeline.node.counters import Counters
from pipeline.node.http import Answer, HttpConnection
from pipeline.node.sealing import Seals
from pipeline.node.tls import TlsStream
from verifier.errors import FetchError
from verifier.wire.workload.backend import Session

__all__ = ["MAX_CONNECTIONS", "MAX_REQUESTS", "Server"]

MAX_CONNECTIONS = 32
"""Most connections at a time; one more is closed at once."""

MAX_REQUESTS = 256
"""Most requests of one connection; the last one's answer says that it is the last."""

_HANDSHAKE = 30.0  # seconds

# accept(2), "Error handling": what has happened to a connection before anybody took it.
_CALLERS_FAULT = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPROTO,
    }
)


class Server:
    """Serves ``application`` under ``context``."""

    def __init__(
        self, *, context: SSL.Context, application: Application, counters: Counters
    ) -> None:
        self._context = context
        self._application = application
        self._counters = counters
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def serve(self, listener: socket.socket) -> None:
        """Accept until ``listener`` fails (OSError), as it does when it is shut down."""
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError as error:
                if error.errno not in _CALLERS_FAULT:
                    raise
                self._counters.add("connections_refused")
                continue
            if not self._free.acquire(blocking=False):
                self._counters.add("connections_refused")
                accepted.close()
                continue
            self._counters.add("connections")
            threading.Thread(target=self._attend, args=(accepted,), daemon=True).start()

    def _attend(self, accepted: socket.socket) -> None:
        with _Unseen(self._counters):
            stream = TlsStream(self._context, accepted)
            with contextlib.closing(stream):
                self._converse(stream)
        self._free.release()

    def _converse(self, stream: TlsStream) -> None:
        try:
            stream.shake_hands(deadline=time.monotonic() + _HANDSHAKE)
        except FetchError:
            self._counters.add("handshakes_failed")
            return
        connection = HttpConnection(stream)
        peer = Peer(stream.export, Session(), Seals())
        try:
            for left in reversed(range(MAX_REQUESTS)):
                if not self._exchange(connection, peer, last=left == 0):
                    return
        except FetchError:
            return  # the client is gone or silent: nobody is left to tell

    def _exchange(self, connection: HttpConnection, peer: Peer, *, last: bool) -> bool:
        """Answer one request; whether another may follow."""
        request = connection.receive_request()
        if request is None:
            return False
        if isinstance(request, Answer):
            self._counters.add("requests_refused")
            connection.send_answer(request, last=True)
            return False
        answer = self._application.answer(request, peer=peer)
        last = last or connection.must_close
        connection.send_answer(answer, last=last)
        return not last


class _Unseen:
    """Counts what a connection died of and says nothing: a message could stand in the words."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if kind is not None:
            self._counters.add("failures")
        return True
