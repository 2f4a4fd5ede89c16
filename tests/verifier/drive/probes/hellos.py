"""TLS as taps record it: of two real ends, and put together field by field."""

from __future__ import annotations

import struct

from OpenSSL import SSL

from pipeline.node.tls import make_context, make_identity

KEY_SHARE, PRE_SHARED_KEY, EARLY_DATA, VERSIONS = 51, 41, 42, 43
X25519 = 0x001D
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"


def real_tls(request: bytes, answer: bytes) -> tuple[bytes, bytes]:
    """Both directions of a connection in which ``request`` was sent and answered."""
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client_context.set_min_proto_version(SSL.TLS1_3_VERSION)
    client = SSL.Connection(client_context)
    server = SSL.Connection(make_context(make_identity("summariser")))
    client.set_connect_state()
    server.set_accept_state()
    sent = [b"", b""]
    ends = (client, server)
    done = [False, False]
    while not all(done):
        for number, end in enumerate(ends):
            try:
                end.do_handshake()
                done[number] = True
            except SSL.WantReadError:
                pass
            sent[number] += _carried(end, ends[1 - number])
    client.sendall(request)
    sent[0] += _carried(client, server)
    assert server.recv(len(request)) == request
    server.sendall(answer)
    sent[1] += _carried(server, client)
    assert client.recv(len(answer)) == answer
    return sent[0], sent[1]


def _carried(source: SSL.Connection, sink: SSL.Connection) -> bytes:
    carried = b""
    try:
        while True:
            part = source.bio_read(65_536)
            sink.bio_write(part)
            carried += part
    except SSL.WantReadError:
        return carried


def record(content: bytes, kind: int = 23) -> bytes:
    return struct.pack("> B 2s H", kind, b"\x03\x03", len(content)) + content


def vector(content: bytes, width: int = 2) -> bytes:
    return len(content).to_bytes(width, "big") + content


def extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2, "big") + vector(content)


def share(key: bytes, group: int = X25519) -> bytes:
    return group.to_bytes(2, "big") + vector(key)


def client_hello(*extensions: bytes) -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(b"", 1) + vector(b"\x13\x01") + vector(b"\x00", 1)
    return b"\x01" + vector(body + vector(b"".join(extensions)), 3)


def server_hello(*extensions: bytes, random: bytes = bytes(32)) -> bytes:
    body = b"\x03\x03" + random + vector(b"", 1) + b"\x13\x01" + b"\x00"
    return b"\x02" + vector(body + vector(b"".join(extensions)), 3)


def client_share(key: bytes, group: int = X25519) -> bytes:
    return extension(KEY_SHARE, vector(share(key, group)))


def server_share(key: bytes, group: int = X25519) -> bytes:
    return extension(KEY_SHARE, share(key, group))


CHOSEN = extension(VERSIONS, b"\x03\x04")


def stream(hello: bytes, protected: bytes = b"sealed") -> bytes:
    return record(hello, 22) + CHANGE_CIPHER_SPEC + record(protected)


def made_tls(client: bytes, server: bytes) -> tuple[bytes, bytes]:
    """A connection with these key shares, and one protected record each way."""
    return (
        stream(client_hello(CHOSEN, client_share(client))),
        stream(server_hello(CHOSEN, server_share(server))),
    )
