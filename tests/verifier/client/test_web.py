"""Requests to the roles: their very bytes, their limits, and to whom they may go at all."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.pipeline.roles import listening
from tests.verifier.client.scripted import Scripted, http, scripted
from verifier.client.deadline import Deadline
from verifier.client.http import Answer
from verifier.client.web import Url, _context, ask, parse_url
from verifier.errors import FetchError, ParseError


def asked(url: str, body: bytes | None = None, limit: int = 100, seconds: float = 5.0) -> Answer:
    return ask(parse_url(url, what="url"), body, limit=limit, deadline=Deadline.after(seconds))


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(lambda body: http(body.upper(), "text/x")) as found:
        yield found


def test_the_very_bytes_of_a_request(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    url = parse_url(server.url, what="url").at("/keys")
    assert ask(url, None, limit=10, deadline=Deadline.after(5)) == Answer(200, "text/x", b"")
    answer = ask(
        url,
        b"abc",
        media_type="text/y",
        authorization="Bearer x",
        limit=10,
        deadline=Deadline.after(5),
    )
    assert answer.content == b"ABC"
    host = f"Host: 127.0.0.1:{server.address[1]}\r\nConnection: close\r\n".encode()
    assert server.heads == [
        b"GET /keys HTTP/1.1\r\n" + host + b"Content-Length: 0",
        b"POST /keys HTTP/1.1\r\n"
        + host
        + b"Content-Type: text/y\r\nAuthorization: Bearer x\r\nContent-Length: 3",
    ]


def test_an_answer_of_another_status_is_given_back_and_no_redirect_followed(
    server: Scripted,
) -> None:
    target = server.url.encode()
    away = b"HTTP/1.1 302 X\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"
    with scripted(lambda _: away) as moved:
        assert asked(moved.url).status == 302
    assert server.heads == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(b"x" * 101, "text/x"), "at most 100 bytes"),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101, "at most 100"),
        (b"HTTP/1.1 200 X\r\nX: " + b"x" * 20_000, "HTTP/1.1"),
        (b"nonsense\r\n\r\n", "HTTP/1.1"),
        (b"HTTP/1.1 103 X\r\n\r\n" * 2, "an answer"),
    ],
)
def test_an_answer_that_is_refused(answer: bytes, expected: str) -> None:
    with scripted(lambda _: answer) as server, pytest.raises(ParseError) as caught:
        asked(server.url)
    assert caught.value.what == f"{server.url}/"
    assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize("part", [None, b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nx"])
def test_no_answer_or_half_of_one(part: bytes | None) -> None:
    with scripted(lambda _: part) as server, pytest.raises(FetchError) as caught:
        asked(server.url)
    assert (caught.value.what, caught.value.got) == (f"{server.url}/", "it was closed")


def test_a_role_that_drips_its_head_is_cut_off_at_the_deadline() -> None:
    def drip(peer: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 X\r\n" + b"X: y\r\n" * 1000:
            peer.sendall(bytes((byte,)))
            time.sleep(0.01)

    began = time.monotonic()
    with listening(drip) as server, pytest.raises(FetchError) as caught:
        asked(server.url, seconds=0.4)
    assert time.monotonic() - began < 3
    assert caught.value.got == "nothing within 0.4 s"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://relay.example", Url("https", "relay.example", 443, "/")),
        ("https://relay.example:8443/ohttp", Url("https", "relay.example", 8443, "/ohttp")),
        ("http://127.0.0.1:80/", Url("http", "127.0.0.1", 80, "/")),
        ("http://[::1]:8080", Url("http", "[::1]", 8080, "/")),
        ("http://localhost:1", Url("http", "localhost", 1, "/")),
    ],
)
def test_a_url(text: str, url: Url) -> None:
    assert parse_url(text, what="x") == url
    assert parse_url(str(url), what="x") == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://relay.example/", "https, or a role on this machine"),
        ("http://10.0.0.1:80", "https, or a role on this machine"),
        ("http://127.0.0.1.example", "https, or a role on this machine"),
        ("http://localhost.example", "https, or a role on this machine"),
        ("https://user@relay.example", "a URL like"),
        ("https://relay.example/?q", "a URL like"),
        ("https://relay.example\r\nX: y", "a URL like"),
        ("https://relay.example/\n", "a URL like"),
        ("https://RELAY.example", "a URL like"),
        ("ftp://relay.example", "a URL like"),
        ("https://relay.example:0", "a URL like"),
        ("https://relay.example:65536", "a decimal up to 65535"),
        ("", "a URL like"),
    ],
)
def test_a_url_that_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_url(text, what="deployment.relay")
    assert caught.value.what == "deployment.relay"
    assert caught.value.expected.startswith(expected)


def certificate(folder: Path, *names: x509.GeneralName) -> Path:
    """A certificate for ``names`` with its key, PEM, which is its own root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "tls.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


def serve_tls(pem: Path, server: socket.socket, received: list[bytes]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    peer, _ = server.accept()
    try:
        with context.wrap_socket(peer, server_side=True) as tls:
            received.append(tls.recv(4096))
            tls.sendall(http(b"z" * 90, "text/z"))
    except (ssl.SSLError, OSError):
        peer.close()


@pytest.fixture
def other_roots() -> Iterator[None]:
    _context.cache_clear()
    yield
    _context.cache_clear()


@pytest.mark.usefixtures("other_roots")
@pytest.mark.parametrize(
    ("names", "trusted", "reason"),
    [
        (("127.0.0.1",), True, ""),
        (("127.0.0.1",), False, "CERTIFICATE_VERIFY_FAILED"),
        (("127.0.0.2",), True, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_tls_is_verified(
    names: tuple[str, ...],
    trusted: bool,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pem = certificate(tmp_path, *(x509.IPAddress(ipaddress.ip_address(name)) for name in names))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem if trusted else tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve_tls, args=(pem, server, received), daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/x"
        if not reason:
            assert asked(url, b"secret") == Answer(200, "text/z", b"z" * 90)
            assert received[0].startswith(b"POST /x HTTP/1.1")
        else:
            with pytest.raises(FetchError) as caught:
                asked(url, b"secret")
            error = caught.value
            assert (error.what, error.expected, error.got) == (url, "a verified server", reason)
            assert received == []
