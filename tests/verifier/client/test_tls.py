"""TLS to a machine that nobody believes: what it can do to the client is raise an AuditError.

What the session carries is in test_client.py and tests/verifier/drive/test_drive_session.py.
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from pipeline.node.tls import Identity, make_context, make_identity
from tests.verifier.drive.deployed import LyingServer, http, session
from tests.verifier.tlog.rejection import rejects
from verifier.client.deadline import Deadline
from verifier.client.session import collect_evidence
from verifier.client.tls import TlsClient
from verifier.client.transport import SocketTransport
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.wire.attested_tls import EVIDENCE_MEDIA_TYPE, EvidenceAnswer, encode_evidence
from verifier.wire.session_binding import MAX_CERTIFICATE

ANSWER = EvidenceAnswer(
    role="summariser",
    report=bytes(1184),
    certificate_table=b"",
    release_entry=b"{}",
    release_proof=b"x",
    sealing_key=bytes(1216),
)


def shaken(said: bytes) -> None:
    """A handshake with a server that says just this to it."""
    near, far = socket.socketpair()

    def say() -> None:
        with far:
            far.recv(65_536)
            far.sendall(said)
            far.recv(65_536)

    server = threading.Thread(target=say, daemon=True)
    server.start()
    transport = SocketTransport(near)
    try:
        TlsClient(transport, seconds=5)
    finally:
        transport.close(deadline=Deadline.after(0))
        server.join(5)


def refused(context: SSL.Context, expected: str, got: str) -> list[int]:
    """The lengths of what a server was sent whose certificate is refused."""
    server = LyingServer(lambda *_: http(encode_evidence(ANSWER), EVIDENCE_MEDIA_TYPE), context)
    with (
        server.serving() as port,
        session(port) as client,
        rejects(ParseError, "TLS certificate", expected=expected, got=got),
    ):
        collect_evidence(client)
    return [len(body) for body in server.bodies]


def test_an_end_instead_of_a_handshake() -> None:
    close_notify = bytes.fromhex("15030300020100")
    with rejects(FetchError, "connection", expected="an answer", got="it was closed"):
        shaken(close_notify)


@pytest.mark.parametrize(
    ("said", "got"),
    [
        (b"HTTP/1.1 400 X\r\n\r\n", "wrong version number"),
        (bytes.fromhex("15030300020228"), "handshake failure"),
        (bytes.fromhex("1503030002015a") * 50, "too many warn alerts"),
    ],
)
def test_another_protocol_and_alerts(said: bytes, got: str) -> None:
    with rejects(VerificationError, "TLS", expected=r"TLS 1\.3", got=got):
        shaken(said)


def test_a_certificate_of_no_known_version(tmp_path: Path) -> None:
    """OpenSSL takes it, and so it comes as far as evidence does."""
    identity = make_identity("summariser")
    der = identity.certificate.public_bytes(Encoding.DER)
    third, tenth = bytes.fromhex("a003020102"), bytes.fromhex("a003020109")
    assert third in der
    pem = tmp_path / "certificate.pem"
    pem.write_text(ssl.DER_cert_to_PEM_cert(der.replace(third, tenth, 1)))
    context = make_context(identity)
    context.use_certificate_file(str(pem))
    expected, got = "a self-signed certificate", "9 is not a valid X509 version"
    assert refused(context, expected, got) == [32]


def test_a_certificate_that_no_bundle_holds() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    long = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(MAX_CERTIFICATE))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .add_extension(long, critical=False)
        .sign(key, SHA256())
    )
    context = make_context(Identity(key, certificate, b""))
    size = len(certificate.public_bytes(Encoding.DER))
    assert refused(context, f"at most {MAX_CERTIFICATE} bytes", f"^{size}$") == []
