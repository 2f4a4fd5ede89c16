"""TLS 1.3 as a node speaks it: one key a boot, no resumption, every read with a deadline.

pyOpenSSL and not Python's ``ssl``, which does not give the exporter (RFC 8446 section 7.5).
"""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from verifier.errors import FetchError
from verifier.wire.attested_tls import EXPORTER_LABEL, EXPORTER_SIZE

__all__ = ["Identity", "TlsStream", "make_context", "make_identity"]

_T = TypeVar("_T")
_CHUNK = 16_384  # bytes of one record
_LINGER = 1.0  # seconds
_VALID = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Identity:
    """A key that lives in memory only, its self-signed certificate, and the SHA-256 of its SPKI."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate
    spki_sha256: bytes


def make_identity(role: str) -> Identity:
    """A fresh P-256 key with a certificate that says nothing; ``role`` has 1 to 63 characters.

    What counts is the evidence. The validity is fixed: nobody in a guest can trust a clock.
    """
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, role)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID[0])
        .not_valid_after(_VALID[1])
        .sign(key, SHA256())
    )
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Identity(key, certificate, hashlib.sha256(spki).digest())


def make_context(identity: Identity) -> SSL.Context:
    """TLS 1.3 only, without a cache of sessions, so that no ticket can ever be redeemed.

    OpenSSL prefers the hybrid group X25519MLKEM768 by itself where the client offers it, and takes
    no early data unless told to.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_max_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.key)
    context.check_privatekey()
    return context


class TlsStream:
    """One connection as a server; owns ``accepted``. Every method raises FetchError in the end."""

    def __init__(self, context: SSL.Context, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        self._socket = accepted
        self._tls = SSL.Connection(context, accepted)
        self._tls.set_accept_state()

    def shake_hands(self, *, deadline: float) -> None:
        """Do the handshake, until ``deadline`` (``time.monotonic``)."""
        self._until(self._tls.do_handshake, deadline)

    def receive(self, *, deadline: float) -> bytes:
        """Some bytes; none if the client has ended its side properly."""
        return self._until(self._receive, deadline)

    def send(self, content: bytes, *, deadline: float) -> None:
        """Write all of ``content``."""
        sent = 0
        while sent < len(content):
            part = content[sent : sent + _CHUNK]
            sent += self._until(partial(self._tls.send, part), deadline)

    def export(self, nonce: bytes) -> bytes:
        """The exporter value over ``nonce``, 32 bytes, which only the two ends can know."""
        return self._tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce)

    def close(self) -> None:
        """Say the end if it can be said at once, and let go.

        What the client still sends is read and dropped for a moment: else the system would reset
        the connection, and the last answer could be lost with it.
        """
        with contextlib.suppress(SSL.Error):  # it was not up, or nobody listens any more
            self._tls.shutdown()
        with self._socket, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_LINGER)
            deadline = time.monotonic() + _LINGER
            while self._socket.recv(_CHUNK) and time.monotonic() < deadline:
                pass

    def _receive(self) -> bytes:
        try:
            return self._tls.recv(_CHUNK)
        except SSL.ZeroReturnError:
            return b""

    def _until(self, operation: Callable[[], _T], deadline: float) -> _T:
        while True:
            try:
                return operation()
            except SSL.WantReadError:
                self._wait(select.POLLIN, deadline)
            except SSL.WantWriteError:
                self._wait(select.POLLOUT, deadline)
            except SSL.Error as error:
                raise FetchError("TLS", expected="a live connection", got="an error") from error

    def _wait(self, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._socket, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise FetchError("TLS", expected="the client in time", got="silence")
