"""What tests/conftest.py promises: no test reaches another machine, CI does not skip vectors."""

from __future__ import annotations

import socket

import pytest

from tests.conftest import NetworkUsedError, vectors_are_owed
from tests.image_inputs import image_is_owed
from tests.postgresql import postgresql_is_owed


def test_another_machine_is_refused() -> None:
    with socket.socket() as client, pytest.raises(NetworkUsedError, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 9))


def test_a_datagram_to_another_machine_is_refused() -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as client,
        pytest.raises(NetworkUsedError, match=r"2001:db8::1|192\.0\.2\.1"),
    ):
        client.sendto(b"", ("192.0.2.1", 9))


def test_a_name_is_not_even_looked_up() -> None:
    with pytest.raises(NetworkUsedError, match=r"host\.invalid"):
        socket.getaddrinfo("host.invalid", 443)


def test_loopback_works() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()


@pytest.mark.usefixtures("offline")
def test_offline_refuses_loopback_too() -> None:
    with socket.socket() as client, pytest.raises(NetworkUsedError, match=r"127\.0\.0\.1"):
        client.connect(("127.0.0.1", 9))


def test_ci_does_not_skip_the_database() -> None:
    assert postgresql_is_owed({"CI": "true"})
    assert not postgresql_is_owed({})


def test_ci_skips_the_boots_only_where_it_says_so() -> None:
    assert image_is_owed({"CI": "true"})
    assert image_is_owed({"CI": "true", "CVM_AUDIT_NO_IMAGE": "0"})
    assert not image_is_owed({"CI": "true", "CVM_AUDIT_NO_IMAGE": "1"})
    assert not image_is_owed({})


def test_ci_skips_the_vectors_only_where_it_says_so() -> None:
    assert vectors_are_owed({"CI": "true"})
    assert vectors_are_owed({"CI": "true", "CVM_AUDIT_NO_VECTORS": "0"})
    assert not vectors_are_owed({"CI": "true", "CVM_AUDIT_NO_VECTORS": "1"})
    assert not vectors_are_owed({})
