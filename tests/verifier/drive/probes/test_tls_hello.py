"""The open part of TLS: fresh shares, nothing of before, nothing open behind it."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes import hellos
from tests.verifier.drive.probes.hellos import (
    CHOSEN,
    EARLY_DATA,
    KEY_SHARE,
    PRE_SHARED_KEY,
    RETRY,
    VERSIONS,
    client_hello,
    client_share,
    extension,
    made_tls,
    real_tls,
    record,
    server_hello,
    server_share,
    stream,
)
from tests.verifier.drive.probes.recorded import fields_of
from verifier.drive.probes.tls_hello import KeyAgreement, Reader, verify_hellos
from verifier.errors import ParseError, VerificationError

THERE, BACK = made_tls(b"client", b"server")
CLIENT = client_hello(CHOSEN, client_share(b"client"))


def test_a_real_connection_agrees_on_fresh_shares() -> None:
    one, other = (verify_hellos(*real_tls(b"question", b"answer")) for _ in range(2))
    assert one.group_name in ("X25519MLKEM768", "X25519")
    assert len({one.client_share, one.server_share, other.client_share, other.server_share}) == 4
    assert one.protected >= 5  # the server's handshake, both Finished, question and answer


def test_a_made_connection_is_read_field_by_field() -> None:
    assert verify_hellos(THERE, BACK) == KeyAgreement(0x001D, b"client", b"server", 2)
    other = KeyAgreement(0x0102, b"", b"", 0)
    assert (verify_hellos(THERE, BACK).group_name, other.group_name) == ("X25519", "group 0x0102")


def test_a_hello_may_be_cut_into_records_and_asked_for_again() -> None:
    cut = record(CLIENT[:9], 22) + record(CLIENT[9:], 22) + record(b"sealed")
    assert verify_hellos(cut, BACK).client_share == b"client"
    again = record(client_hello(CHOSEN, client_share(b"first", 0x0017)), 22) + stream(CLIENT)
    retried = record(server_hello(CHOSEN, random=RETRY), 22) + BACK
    assert verify_hellos(again, retried).client_share == b"client"


def server(*extensions: bytes) -> bytes:
    return stream(server_hello(*extensions))


def client(*extensions: bytes) -> bytes:
    return stream(client_hello(*extensions))


SHARED = client_share(b"client")


@pytest.mark.parametrize(
    ("there", "back", "fields"),
    [
        (
            client(CHOSEN, SHARED, extension(PRE_SHARED_KEY, b"old")),
            BACK,
            ("TLS hello", "fresh keys alone", "pre_shared_key"),
        ),
        (
            THERE,
            server(CHOSEN, server_share(b"server"), extension(PRE_SHARED_KEY, b"\x00\x00")),
            ("TLS hello", "fresh keys alone", "pre_shared_key"),
        ),
        (
            client(CHOSEN, SHARED, extension(EARLY_DATA, b"")),
            BACK,
            ("TLS hello", "fresh keys alone", "early_data"),
        ),
        (
            THERE,
            server(server_share(b"server")),
            ("version of TLS", "0304", "an older version"),
        ),
        (
            THERE,
            server(extension(VERSIONS, b"\x03\x03"), server_share(b"server")),
            ("version of TLS", "0304", "0303"),
        ),
        (THERE, server(CHOSEN), ("TLS hello", "key_share", "none from the server")),
        (
            THERE,
            server(CHOSEN, server_share(b"server", 0x0017)),
            ("group of the server", "one of the client", "0x0017"),
        ),
        (client(CHOSEN), BACK, ("group of the server", "one of the client", "0x001d")),
        (
            THERE + record(b"\x02\x28", 21),
            BACK,
            ("TLS record", "protected records after the hellos", "one of type 21"),
        ),
        (
            THERE,
            BACK + record(b"\x0b", 22),
            ("TLS record", "protected records after the hellos", "one of type 22"),
        ),
        (
            record(b"\x02", 20) + THERE,
            BACK,
            ("TLS record", "protected records after the hellos", "one of type 20"),
        ),
        (
            THERE,
            record(server_hello(CHOSEN, server_share(b"s")) + b"\x0b\x00\x00\x01c", 22),
            ("TLS handshake in the open", "a message of type 2", "11"),
        ),
        (
            record(b"sealed"),
            BACK,
            ("TLS hellos", "one, or a second after a retry", "0"),
        ),
        (
            THERE,
            record(server_hello(CHOSEN, random=RETRY), 22),
            ("TLS hellos", "one, or a second after a retry", "1"),
        ),
        (
            record(CLIENT * 3, 22),
            BACK,
            ("TLS hellos", "one, or a second after a retry", "3"),
        ),
    ],
)
def test_keys_that_are_not_fresh_or_what_is_open_is_refused(
    there: bytes, back: bytes, fields: tuple[str, str, str]
) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_hellos(there, back)
    assert fields_of(caught) == fields


@pytest.mark.parametrize(
    ("there", "fields"),
    [
        (THERE[:-1], ("recorded TLS", "6 more bytes", "5")),
        (b"GET / HTTP/1.1\r\n", ("recorded TLS", "8239 more bytes", "11")),
        (
            record(bytes(16_641)),
            ("TLS record", "at most 16640 bytes", "16641 bytes"),
        ),
        (
            client(CHOSEN, extension(KEY_SHARE, b"\x00\x09short")),
            ("recorded TLS", "9 more bytes", "5"),
        ),
    ],
)
def test_what_is_no_tls_is_refused(there: bytes, fields: tuple[str, str, str]) -> None:
    with pytest.raises(ParseError) as caught:
        verify_hellos(there, BACK)
    assert fields_of(caught) == fields


def test_a_reader_takes_numbers_and_vectors_in_order() -> None:
    reader = Reader(b"\x01\x02" + hellos.vector(b"abc", 1))
    assert (reader.number(2), reader.vector(1), reader.is_at_end) == (0x0102, b"abc", True)
    with pytest.raises(ParseError) as caught:
        reader.take(1)
    assert fields_of(caught) == ("recorded TLS", "1 more bytes", "0")
