"""TLS 1.3 as a client speaks it to a machine that it does not believe yet, and HTTP/1.1 over it.

No certificate is verified here, because no name in it means anything: the evidence says whose key
it is. pyOpenSSL and not Python's ``ssl``, which does not give the exporter (RFC 8446 section 7.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate

from verifier.client.deadline import Deadline
from verifier.client.http import Answer, HttpClient
from verifier.client.transport import Address, Transport, connect_socket
from verifier.errors import FetchError, VerificationError
from verifier.wire.attested_tls import EXPORTER_LABEL, EXPORTER_SIZE

__all__ = ["TlsClient", "connected"]

_CHUNK = 16_384
_T = TypeVar("_T")


class TlsClient:
    """One session over ``transport``. ``seconds`` bounds each exchange as a whole.

    ``deadline``, where there is one, bounds several of them together, and can be replaced between
    two. Raises FetchError for silence and an end, VerificationError for a server that does not
    speak TLS 1.3, ParseError for one that does not speak HTTP/1.1.
    """

    def __init__(
        self, transport: Transport, *, seconds: float, deadline: Deadline | None = None
    ) -> None:
        self.deadline = deadline
        self._seconds = seconds
        self._stream = _Stream(transport)
        self._http = HttpClient(self._stream)
        self._stream.shake_hands(deadline=self._until())

    @property
    def certificate(self) -> bytes:
        """The DER of the certificate that the server showed, which nobody has read yet."""
        certificate = self._stream.tls.get_peer_certificate()
        if certificate is None:
            raise VerificationError("TLS", expected="a certificate", got="none")
        return dump_certificate(FILETYPE_ASN1, certificate)

    @property
    def group(self) -> str:
        """The group of the key exchange in OpenSSL's spelling, such as ``X25519MLKEM768``."""
        return self._stream.tls.get_group_name() or ""

    @property
    def ended(self) -> bool:
        """Whether the server has said that it answers nothing more in this session."""
        return self._http.ended

    def export(self, nonce: bytes) -> bytes:
        """The exporter value over ``nonce``, 32 bytes, which only the two ends can know."""
        return self._stream.tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce)

    def exchange(
        self, method: str, path: str, body: bytes, *, media_type: str, limit: int
    ) -> Answer:
        """Send one request and read its answer, of at most ``limit`` bytes (else ParseError)."""
        kind = (("Content-Type", media_type),) if body else ()
        return self._http.exchange(
            method,
            path,
            fields=(("Host", "cvm"), *kind),
            body=body,
            limit=limit,
            deadline=self._until(),
        )

    def _until(self) -> Deadline:
        if self.deadline is None:
            return Deadline.after(self._seconds)
        return self.deadline.within(self._seconds)


class _Stream:
    """The inside of the TLS session as a transport of its own."""

    def __init__(self, transport: Transport) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_max_proto_version(SSL.TLS1_3_VERSION)
        context.set_verify(SSL.VERIFY_NONE)
        # A resumed session has no certificate, and would live longer than its evidence.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self.tls = SSL.Connection(context)
        self.tls.set_connect_state()
        self._transport = transport

    def shake_hands(self, *, deadline: Deadline) -> None:
        self._pump(self.tls.do_handshake, deadline)

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        for start in range(0, len(content), _CHUNK):
            self._pump(partial(self.tls.sendall, content[start : start + _CHUNK]), deadline)

    def receive(self, *, deadline: Deadline) -> bytes:
        return self._pump(self._received, deadline)

    def close(self, *, deadline: Deadline) -> None:
        self._transport.close(deadline=deadline)

    def _received(self) -> bytes:
        try:
            return self.tls.recv(_CHUNK)
        except SSL.ZeroReturnError:
            return b""

    def _pump(self, operation: Callable[[], _T], deadline: Deadline) -> _T:
        """Do ``operation``, carrying records to and from the transport until it is done."""
        while True:
            try:
                done = operation()
            except SSL.WantReadError:
                self._flush(deadline)
                self._fill(deadline)
            except SSL.ZeroReturnError:  # an end that it said, before there was a session
                raise _closed() from None
            except SSL.Error as error:
                raise VerificationError("TLS", expected="TLS 1.3", got=_reason(error)) from None
            else:
                self._flush(deadline)
                return done

    def _flush(self, deadline: Deadline) -> None:
        while True:
            try:
                records = self.tls.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            self._transport.send(records, deadline=deadline)

    def _fill(self, deadline: Deadline) -> None:
        records = self._transport.receive(deadline=deadline)
        if not records:
            raise _closed()
        self.tls.bio_write(records)


def _closed() -> FetchError:
    return FetchError("connection", expected="an answer", got="it was closed")


def _reason(error: SSL.Error) -> str:
    first = error.args[0] if error.args else ()
    return "; ".join(str(entry[-1]) for entry in first) if first else type(error).__name__


@contextmanager
def connected(address: Address, *, seconds: float) -> Iterator[TlsClient]:
    """A session with a host and port, or over a Unix socket; closed after the block.

    Raises FetchError, VerificationError.
    """
    transport = connect_socket(address, deadline=Deadline.after(seconds))
    try:
        yield TlsClient(transport, seconds=seconds)
    finally:
        transport.close(deadline=Deadline.after(0))
