"""TLS 1.3 as a client speaks it to a machine that it does not believe yet, and HTTP/1.1 over it.

No certificate is verified here, because no name in it means anything: the evidence says whose key
it is. pyOpenSSL and not Python's ``ssl``, which does not give the exporter (RFC 8446 section 7.5).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import h11
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from verifier.errors import FetchError, ParseError, VerificationError
from verifier.wire.attested_tls import EXPORTER_LABEL, EXPORTER_SIZE

__all__ = ["Answer", "TlsClient", "connected"]

_CHUNK = 16_384
_MAX_HEAD = 16_384  # bytes of a status line and its headers
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, whatever its status."""

    status: int
    media_type: str
    content: bytes


class TlsClient:
    """One session with a server. ``seconds`` bounds each exchange as a whole.

    Raises FetchError for silence and an end, VerificationError for a server that does not speak
    TLS 1.3, ParseError for one that does not speak HTTP/1.1.
    """

    def __init__(self, connection: socket.socket, *, seconds: float) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_max_proto_version(SSL.TLS1_3_VERSION)
        context.set_verify(SSL.VERIFY_NONE)
        # A resumed session has no certificate, and would live longer than its evidence.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self._socket = connection
        self._seconds = seconds
        self._tls = SSL.Connection(context)
        self._tls.set_connect_state()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._pump(self._tls.do_handshake, self._deadline())

    @property
    def certificate(self) -> bytes:
        """The DER of the certificate that the server showed."""
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise VerificationError("TLS", expected="a certificate", got="none")
        return certificate.public_bytes(Encoding.DER)

    def export(self, nonce: bytes) -> bytes:
        """The exporter value over ``nonce``, 32 bytes, which only the two ends can know."""
        return self._tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce)

    def exchange(
        self, method: str, path: str, body: bytes, *, media_type: str, limit: int
    ) -> Answer:
        """Send one request and read its answer, of at most ``limit`` bytes (else ParseError)."""
        deadline = self._deadline()
        headers = [("Host", "cvm"), ("Content-Length", str(len(body)))]
        if body:
            headers.append(("Content-Type", media_type))
        request = h11.Request(method=method, target=path, headers=headers)
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        sent = b"".join(self._http.send(part) or b"" for part in parts)
        for start in range(0, len(sent), _CHUNK):
            part = sent[start : start + _CHUNK]
            self._pump(partial(self._tls.sendall, part), deadline)
        return self._answer(limit, deadline)

    def _answer(self, limit: int, deadline: float) -> Answer:
        status, media_type, content = 0, "", bytearray()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise ParseError("answer", expected="HTTP/1.1", got=str(error)[:100]) from None
            if event is h11.NEED_DATA:
                self._http.receive_data(self._received(deadline))
            elif isinstance(event, h11.Response):
                status = event.status_code
                named = dict(event.headers)
                media_type = named.get(b"content-type", b"").decode("ascii", "replace")
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > limit:
                    raise ParseError("answer", expected=f"at most {limit} bytes", got="more")
            elif isinstance(event, h11.EndOfMessage):
                self._next_cycle()
                return Answer(status, media_type, bytes(content))
            else:
                raise ParseError("answer", expected="an answer", got=type(event).__name__)

    def _next_cycle(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def _received(self, deadline: float) -> bytes:
        try:
            return self._pump(partial(self._tls.recv, _CHUNK), deadline)
        except SSL.ZeroReturnError:
            return b""

    def _pump(self, operation: Callable[[], _T], deadline: float) -> _T:
        """Do ``operation``, carrying records between it and the socket until it is done."""
        while True:
            try:
                done = operation()
            except SSL.WantReadError:
                self._flush(deadline)
                self._fill(deadline)
            except SSL.ZeroReturnError:
                raise
            except SSL.Error as error:
                raise VerificationError("TLS", expected="TLS 1.3", got=_reason(error)) from None
            else:
                self._flush(deadline)
                return done

    def _flush(self, deadline: float) -> None:
        while True:
            try:
                records = self._tls.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            self._timed(deadline, partial(self._socket.sendall, records))

    def _fill(self, deadline: float) -> None:
        records = self._timed(deadline, partial(self._socket.recv, _CHUNK))
        if not records:
            raise FetchError("connection", expected="an answer", got="it was closed")
        self._tls.bio_write(records)

    def _timed(self, deadline: float, operation: Callable[[], _T]) -> _T:
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._silence()
        self._socket.settimeout(left)
        try:
            return operation()
        except TimeoutError:
            raise self._silence() from None
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise FetchError("connection", expected="an answer", got=got) from None

    def _silence(self) -> FetchError:
        got = f"nothing within {self._seconds:g} s"
        return FetchError("connection", expected="an answer", got=got)

    def _deadline(self) -> float:
        return time.monotonic() + self._seconds


def _reason(error: SSL.Error) -> str:
    first = error.args[0] if error.args else ()
    return "; ".join(str(entry[-1]) for entry in first) if first else type(error).__name__


@contextmanager
def connected(address: tuple[str, int] | Path, *, seconds: float) -> Iterator[TlsClient]:
    """A session with a host and port, or over a Unix socket; closed after the block.

    Raises FetchError, VerificationError.
    """
    try:
        connection = _connect(address, seconds)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(address), expected="a connection", got=got) from None
    with connection:
        yield TlsClient(connection, seconds=seconds)


def _connect(address: tuple[str, int] | Path, seconds: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=seconds)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection
