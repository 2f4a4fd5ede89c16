"""HTTP to the roles of the private path that a client talks to: issuer, key CDN, relay.

One request a connection, and nothing in it besides what the role needs: no cookies, no language, no
version of ours. No redirects, no proxy of the environment. A role is reached over TLS whose
certificate is verified, or on this machine.
"""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from verifier.client.deadline import Deadline
from verifier.client.http import Answer, HttpClient
from verifier.client.transport import Transport, connect_socket
from verifier.errors import FetchError, ParseError
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = ["Url", "ask", "parse_url"]

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/[A-Za-z0-9/._~-]{0,200})?"
)
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){3}|\[::1\]|localhost")
_PORTS = {"http": 80, "https": 443}
_CHUNK = 16_384
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Url:
    """Where a role is; ``path`` begins with ``/``. Made by ``parse_url``.

    ``source`` is the one of our own addresses that it is reached from; empty for any.
    """

    scheme: str
    host: str
    port: int
    path: str
    source: str = ""

    @property
    def authority(self) -> str:
        """What the field Host says."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def at(self, path: str) -> Url:
        """The same role, another path."""
        return Url(self.scheme, self.host, self.port, path, self.source)


def parse_url(text: str, *, what: str) -> Url:
    """Read a URL; one without TLS only for this machine. Raises ParseError about ``what``."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ParseError(what, expected="a URL like https://host/path", got=excerpt(text))
    scheme, host = found["scheme"], found["host"]
    if scheme == "http" and _LOOPBACK.fullmatch(host) is None:
        raise ParseError(what, expected="https, or a role on this machine", got=excerpt(text))
    port = _PORTS[scheme]
    if found["port"] is not None:
        port = parse_decimal(found["port"], what=what, maximum=65_535)
    return Url(scheme, host, port, found["path"] or "/")


def ask(
    url: Url,
    body: bytes | None,
    *,
    media_type: str = "",
    authorization: str = "",
    user_agent: str = "",
    limit: int,
    deadline: Deadline,
) -> Answer:
    """GET ``url``, or POST ``body`` of ``media_type``: its answer, of any status.

    ``user_agent`` is for whoever wants to look like another client; ours say nothing. Raises
    FetchError, and ParseError for an answer that is none, or more than ``limit`` bytes.
    """
    fields = [("Host", url.authority), ("Connection", "close")]
    if media_type:
        fields.append(("Content-Type", media_type))
    if authorization:
        fields.append(("Authorization", authorization))
    if user_agent:
        fields.append(("User-Agent", user_agent))
    try:
        transport = _connect(url, deadline)
        try:
            return HttpClient(transport).exchange(
                "GET" if body is None else "POST",
                url.path,
                fields=fields,
                body=body or b"",
                limit=limit,
                deadline=deadline,
            )
        finally:
            transport.close(deadline=deadline)
    except (FetchError, ParseError) as error:
        raise type(error)(str(url), expected=error.expected, got=error.got) from None


def _connect(url: Url, deadline: Deadline) -> Transport:
    address = (url.host.strip("[]"), url.port)
    plain = connect_socket(address, deadline=deadline, source=url.source)
    if url.scheme == "http":
        return plain
    try:
        return _VerifiedTls(plain, url.host.strip("[]"), deadline)
    except FetchError:
        plain.close(deadline=deadline)
        raise


@functools.cache
def _context() -> ssl.SSLContext:
    # Reading the roots of this machine takes longer than a whole exchange.
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _VerifiedTls:
    """TLS to a server whose certificate is one for ``host``, by the roots of this machine."""

    def __init__(self, transport: Transport, host: str, deadline: Deadline) -> None:
        self._transport = transport
        self._arriving, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._arriving, self._leaving, server_hostname=host)
        self._pump(self._tls.do_handshake, deadline)

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        """As ``Transport``. A memory buffer takes all of it."""
        self._pump(partial(self._tls.write, content), deadline)

    def receive(self, *, deadline: Deadline) -> bytes:
        """As ``Transport``."""
        return self._pump(partial(self._tls.read, _CHUNK), deadline)

    def close(self, *, deadline: Deadline) -> None:
        """As ``Transport``."""
        self._transport.close(deadline=deadline)

    def _pump(self, operation: Callable[[], _T], deadline: Deadline) -> _T:
        while True:
            try:
                done = operation()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                self._fill(deadline)
            except ssl.SSLError as error:
                got = error.reason or type(error).__name__
                raise FetchError("TLS", expected="a verified server", got=got) from None
            else:
                self._flush(deadline)
                return done

    def _flush(self, deadline: Deadline) -> None:
        if self._leaving.pending:
            self._transport.send(self._leaving.read(), deadline=deadline)

    def _fill(self, deadline: Deadline) -> None:
        records = self._transport.receive(deadline=deadline)
        if records:
            self._arriving.write(records)
        else:
            self._arriving.write_eof()  # an end without close_notify is an error, not an end
