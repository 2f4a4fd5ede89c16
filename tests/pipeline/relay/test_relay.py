"""The relay: passes bodies to one gateway, and nothing else in either direction."""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509 import IPAddress

from tests.pipeline.roles import (
    SECONDS,
    Listener,
    Reply,
    Running,
    listening,
    refused_start,
    running,
    until,
)
from tests.verifier.client.test_web import certificate
from verifier.wire.ohttp_media import KEY_PROBLEM, MAX_ENCAPSULATED_REQUEST

REQUEST, RESPONSE = "message/ohttp-req", "message/ohttp-res"
SEALED = b"\x01sealed bytes"


class Gateway:
    """Keeps what arrives, on which connection, and answers what it was told to."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        self.captured: list[bytes] = []
        self.peers: list[object] = []
        self.answer: Callable[[bytes], bytes] = lambda body: http(200, RESPONSE, body[::-1])

    def serve(self, peer: socket.socket) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += peer.recv(65_536)
        head, _, body = raw.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line[:14] == b"Content-Length"
        )
        while len(body) < length:
            body += peer.recv(65_536)
        self.captured.append(head + b"\r\n\r\n" + body)
        self.peers.append(peer.getpeername())
        peer.sendall(self.answer(body))


def http(status: int, media_type: str, body: bytes, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, *fields, "", "")).encode() + body


@pytest.fixture(scope="module")
def only_gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def gateway(only_gateway: Gateway) -> Gateway:
    only_gateway.start_anew()
    return only_gateway


@pytest.fixture(scope="module")
def listener(only_gateway: Gateway) -> Iterator[Listener]:
    with listening(only_gateway.serve) as found:
        yield found


@pytest.fixture(scope="module")
def relay(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("relay")
    with running("relay", "--gateway", listener.url, folder=folder) as found:
        yield found


def post(relay: Running, body: bytes = SEALED, **fields: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    return relay.ask("POST", "/", body, {"Content-Type": REQUEST} | given)


def test_two_very_different_clients_are_the_same_to_the_gateway(
    relay: Running, gateway: Gateway, listener: Listener
) -> None:
    plain = post(relay)
    loud = relay.send(
        f"POST / HTTP/1.1\r\nHost: other.example:1234\r\ncontent-TYPE: {REQUEST}\r\n"
        f"Content-Length: {len(SEALED)}\r\nX-Forwarded-For: 203.0.113.7\r\nVia: 1.1 me\r\n"
        "Forwarded: for=203.0.113.7\r\nCookie: who=alice\r\nUser-Agent: Alice/1.0\r\n"
        "Accept: text/html\r\nAccept-Language: de\r\nAccept-Encoding: br\r\nDNT: 1\r\n"
        "Authorization: Bearer secret\r\nReferer: https://example/\r\nDate: yesterday\r\n"
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        "Connection: close\r\n\r\n".encode(),
        SEALED,
    )
    assert plain.status == 200
    assert loud.endswith(b"\r\n\r\n" + SEALED[::-1])
    first, second = gateway.captured
    assert first == second
    expected = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{listener.address[1]}\r\nAccept: {RESPONSE}\r\n"
        f"Accept-Encoding: identity\r\nConnection: close\r\nContent-Type: {REQUEST}\r\n"
        f"User-Agent: cvm-audit-relay\r\nContent-Length: {len(SEALED)}\r\n\r\n"
    )
    assert first == expected.encode() + SEALED


def test_requests_of_one_client_share_no_connection_to_the_gateway(
    relay: Running, gateway: Gateway
) -> None:
    head = (
        f"POST / HTTP/1.1\r\nHost: r\r\nContent-Type: {REQUEST}\r\n"
        f"Content-Length: {len(SEALED)}\r\n"
    ).encode()
    raw = relay.send(head + b"\r\n" + SEALED, head + b"Connection: close\r\n\r\n" + SEALED)
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert len(set(gateway.peers)) == 2


def test_the_client_gets_the_body_and_nothing_that_the_gateway_added(
    relay: Running, gateway: Gateway
) -> None:
    gateway.answer = lambda _: http(
        200, RESPONSE, b"sealed", "Set-Cookie: who=1", "ETag: x", "Server: y", "Date: z"
    )
    reply = post(relay)
    assert reply == Reply(
        200,
        {
            "content-type": RESPONSE,
            "cache-control": "no-store",
            "content-length": "6",
            "connection": "close",
        },
        b"sealed",
    )


@pytest.mark.parametrize(
    "answer",
    [
        http(200, "text/html", b"marked"),
        http(200, RESPONSE, b""),
        http(403, RESPONSE, b"marked"),
        http(302, RESPONSE, b"", "Location: http://127.0.0.1:9/marked"),
        http(400, "application/problem+json", b'{"type": "urn:marked"}'),
        http(400, "application/problem+json", b"[]"),
        http(400, "application/problem+json", b"{"),
        http(500, "text/plain", b"marked"),
        http(200, RESPONSE, bytes(MAX_ENCAPSULATED_REQUEST + 1)),
        http(200, RESPONSE, zlib.compress(b"marked"), "Content-Encoding: deflate"),
    ],
    ids=str.split("other empty status redirect problem array broken error long encoded"),
)
def test_any_other_answer_is_one_refusal(relay: Running, gateway: Gateway, answer: bytes) -> None:
    gateway.answer = lambda _: answer
    reply = post(relay)
    expected = f"200 with {RESPONSE}"
    what = "answer of the gateway"
    assert reply.refusal == (502, "gateway-refused", what, expected, "something else")
    assert b"marked" not in reply.body
    assert len(gateway.captured) == 1


def test_an_outdated_key_is_told_in_the_words_of_the_relay(
    relay: Running, gateway: Gateway
) -> None:
    document = f'{{"type": "{KEY_PROBLEM}", "title": "marked", "instance": "marked"}}'.encode()
    gateway.answer = lambda _: http(422, "application/problem+json", document)
    reply = post(relay)
    what = "key configuration"
    assert reply.refusal == (400, KEY_PROBLEM, what, "one that the gateway has", "another")
    assert b"marked" not in reply.body


def test_a_silent_gateway_is_told(tmp_path: Path) -> None:
    with (
        listening(hold) as gone,
        running("relay", "--gateway", gone.url, folder=tmp_path) as relay,
    ):
        gone.close()
        expected, what = f"200 with {RESPONSE}", "answer of the gateway"
        assert post(relay).refusal == (504, "gateway-silent", what, expected, "none")
        assert relay.stop()["gateway_silent"] == 1


def hold(peer: socket.socket) -> None:
    while peer.recv(65_536):
        pass


def test_a_gateway_that_never_answers_is_given_up(tmp_path: Path) -> None:
    patch = "import pipeline.relay.forwarding as f; f.GATEWAY_SECONDS = 0.3"
    with (
        listening(hold) as mute,
        running("relay", "--gateway", mute.url, folder=tmp_path, patch=patch) as relay,
    ):
        assert post(relay).refusal[:2] == (504, "gateway-silent")


def test_a_relay_that_waits_for_its_gateway_stops_when_it_is_told_to(tmp_path: Path) -> None:
    with (
        listening(hold) as mute,
        running("relay", "--gateway", mute.url, folder=tmp_path) as relay,
        socket.create_connection(relay.address, timeout=SECONDS) as client,
    ):
        head = f"POST / HTTP/1.1\r\nHost: r\r\nContent-Type: {REQUEST}\r\nContent-Length: 1\r\n\r\n"
        client.sendall(head.encode() + b"x")
        until(lambda: mute.accepted)
        told = time.monotonic()
        assert relay.stop()["gateway_silent"] == 0
        assert time.monotonic() - told < 15  # and not GATEWAY_SECONDS


def test_other_media_types_do_not_pass(relay: Running, gateway: Gateway) -> None:
    for media_type in ("message/ohttp-res", "message/bhttp", f"{REQUEST}; x=1", REQUEST.upper()):
        reply = post(relay, Content_Type=media_type)
        assert reply.refusal == (415, "media-type", "Content-Type", REQUEST, repr(media_type))
    assert gateway.captured == []


def test_too_long_a_request_does_not_pass(relay: Running, gateway: Gateway) -> None:
    size = MAX_ENCAPSULATED_REQUEST + 1
    reply = post(relay, b"", Content_Length=str(size))
    expected = f"at most {MAX_ENCAPSULATED_REQUEST} bytes"
    assert reply.refusal == (413, "length", "body", expected, str(size))
    assert gateway.captured == []


def test_the_longest_request_passes(relay: Running, gateway: Gateway) -> None:
    body = bytes(range(256)) * (MAX_ENCAPSULATED_REQUEST // 256)
    assert post(relay, body).body == body[::-1]
    assert gateway.captured[0].endswith(b"\r\n\r\n" + body)


def test_proxies_of_the_environment_do_not_count(
    gateway: Gateway, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with running("relay", "--gateway", listener.url, folder=tmp_path) as relay:
        assert post(relay).status == 200
    assert len(gateway.captured) == 1


@pytest.mark.parametrize(
    ("name", "trusted", "status"),
    [("127.0.0.1", True, 200), ("127.0.0.1", False, 504), ("127.0.0.2", True, 504)],
)
def test_a_gateway_with_tls_is_verified_by_the_roots_of_the_start(  # noqa: PLR0917 - fixtures
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trusted: bool,
    status: int,
) -> None:
    pem, roots = certificate(tmp_path, IPAddress(ip_address(name))), tmp_path / "roots.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as tls:
            gateway.serve(tls)

    roots.write_bytes(pem.read_bytes() if trusted else b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys of sessions"))
    with listening(serve) as listener:
        url = listener.url.replace("http:", "https:")
        with running("relay", "--gateway", url, folder=tmp_path / "relay") as relay:
            roots.unlink()
            assert [post(relay).status for _ in range(2)] == [status, status]
            assert relay.stop()["failures"] == 0
    assert len(gateway.captured) == (2 if status == 200 else 0)
    assert not (tmp_path / "keys of sessions").exists()


def test_counts_are_all_that_is_written_down(
    gateway: Gateway, listener: Listener, tmp_path: Path
) -> None:
    with running("relay", "--gateway", listener.url, folder=tmp_path) as relay:
        post(relay, b"canary-body", X_Canary="canary-field")
        gateway.answer = lambda _: http(500, "text/plain", b"canary-answer")
        post(relay)
        relay.ask("GET", "/canary-path")
        assert relay.stop() == {
            "answers": 1,
            "failures": 0,
            "gateway_refusals": 1,
            "gateway_silent": 0,
            "key_refusals": 0,
            "refusals": 2,
        }
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    assert b"canary" not in written
    assert b"127.0.0.1" not in written


def test_a_gateway_must_be_a_url(tmp_path: Path) -> None:
    log = ("--log", tmp_path / "log")
    for url in ("ftp://x/", "127.0.0.1:1", "http://u@x/", "http://x/?q", "http://x/#f", "http://"):
        line = refused_start("relay", "--gateway", url, *log)
        assert line.endswith("an http or https URL of host, port and path expected"), url
