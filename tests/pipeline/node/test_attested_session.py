"""Sessions over real sockets: what binds evidence to them, and what TLS a node does not speak."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from pipeline.node.tls import make_context, make_identity
from tests.pipeline.node.guests import ENTRY, PROOF, TABLE, Client, Node, node
from verifier.evidence.report_data import report_data_of_session
from verifier.evidence.snp_report import parse_report
from verifier.release.statement import ROLE
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    EXPORTER_LABEL,
    EXPORTER_SIZE,
    NONCE_MEDIA_TYPE,
    EvidenceAnswer,
    parse_evidence,
)
from verifier.wire.service import COUNTERS_PATH


@pytest.fixture(scope="module")
def served() -> Iterator[Node]:
    with node() as running:
        yield running


def evidence(client: Client, nonce: bytes) -> EvidenceAnswer:
    answer = client.ask("POST", EVIDENCE_PATH, nonce, NONCE_MEDIA_TYPE)
    assert (answer.status, answer.fields["content-type"]) == (200, EVIDENCE_MEDIA_TYPE)
    assert answer.fields["cvm-audit-evidence-source"] == "simulated-processor"
    return parse_evidence(answer.body)


def expected_report_data(client: Client, nonce: bytes, sealing_key: bytes) -> bytes:
    """What only this client can know: computed from its own end of the session."""
    key = client.certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = client.tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce)
    return report_data_of_session(
        exporter=own,
        nonce=nonce,
        role="summariser",
        spki_sha256=hashlib.sha256(spki).digest(),
        sealing_key_sha256=hashlib.sha256(sealing_key).digest(),
    )


def test_evidence_is_bound_to_this_session(served: Node) -> None:
    nonce = os.urandom(32)
    with Client(served.address) as client, Client(served.address) as other:
        answer = evidence(client, nonce)
        said = parse_report(answer.report).report_data
        key = answer.sealing_key
        assert said == expected_report_data(client, nonce, key)
        assert said != expected_report_data(other, nonce, key)
        assert said != expected_report_data(client, os.urandom(32), key)
        assert said != expected_report_data(client, nonce, evidence(other, nonce).sealing_key)
        assert (answer.role, answer.certificate_table) == ("summariser", TABLE)
        assert (answer.release_entry, answer.release_proof) == (ENTRY, PROOF)


def test_evidence_differs_with_each_session_and_nonce(served: Node) -> None:
    nonce = os.urandom(32)
    reports = []
    for _ in range(2):
        with Client(served.address) as client:
            reports += [evidence(client, nonce).report, evidence(client, os.urandom(32)).report]
    assert len({parse_report(raw).report_data for raw in reports}) == 4


def test_a_certificate_says_nothing_and_its_key_is_new_with_each_start(served: Node) -> None:
    with Client(served.address) as client, Client(served.address) as again, node() as restarted:
        assert client.certificate == again.certificate
        assert client.certificate.not_valid_before_utc.year == 2000
        assert client.certificate.not_valid_after_utc.year == 2099
        with Client(restarted.address) as other:
            assert other.certificate.public_key() != client.certificate.public_key()


@pytest.mark.parametrize("role", ["a", "r" * 63])
def test_a_role_of_any_length_has_a_certificate(role: str) -> None:
    # RFC 5280, ub-common-name: 64 characters, and a role has at most 63.
    assert re.fullmatch(ROLE, role)
    make_context(make_identity(role))


def test_the_hybrid_group_is_taken_where_it_is_offered(served: Node) -> None:
    with Client(served.address) as client:
        assert client.tls.get_protocol_version_name() == "TLSv1.3"
        assert client.tls.get_group_name() == "X25519MLKEM768"


def test_tls_1_2_is_refused(served: Node) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    before = counters(served)["handshakes_failed"]
    with pytest.raises(SSL.Error, match="protocol version"):
        Client(served.address, context)
    assert counters(served)["handshakes_failed"] == before + 1


def test_a_client_that_speaks_no_tls_is_refused(served: Node) -> None:
    before = counters(served)["handshakes_failed"]
    with socket.create_connection(served.address, timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in plain.recv(1000)
        assert plain.recv(1000) == b""
    assert counters(served)["handshakes_failed"] == before + 1


def test_no_session_is_resumed(served: Node) -> None:
    # Python's own client says whether the server took the session that it offered.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    was_reused, session = _visit(served, context, None)
    assert not was_reused
    assert session is not None
    assert _visit(served, context, session)[0] is False


def _visit(
    served: Node, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool | None, ssl.SSLSession | None]:
    connection = socket.create_connection(served.address, timeout=10)
    with context.wrap_socket(connection, session=session) as client:
        request = f"GET {COUNTERS_PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        return client.session_reused, client.session


def counters(served: Node) -> dict[str, int]:
    with Client(served.address) as client:
        answer = client.ask("GET", COUNTERS_PATH)
    assert answer.status == 200
    counted: dict[str, int] = answer.json
    return counted
