"""Key configurations of Oblivious HTTP and their list: round trips, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from verifier.errors import ParseError, UnsupportedError
from verifier.wire.ohttp_keys import (
    AEADS,
    KDFS,
    MAX_CONFIGURATIONS,
    MAX_OHTTP_KEYS,
    Suite,
    encode_ohttp_key,
    encode_ohttp_keys,
    parse_ohttp_key,
    parse_ohttp_keys,
)

KEY = parse_ohttp_key(vectors.OHTTP_KEY)
LIST = "list of key configurations"
OTHER_KEM = b"\x07\x00\x10" + bytes(65) + b"\x00\x04\x00\x01\x00\x01"
SUITES = st.lists(
    st.builds(Suite, st.sampled_from(list(KDFS)), st.sampled_from(list(AEADS))),
    min_size=1,
    unique=True,
).map(tuple)


def raw(suites: bytes, *, length: int | None = None) -> bytes:
    size = len(suites) if length is None else length
    return b"\x01\x00\x20" + bytes(32) + struct.pack(">H", size) + suites


def listed(*encoded: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(each)) + each for each in encoded)


def test_the_configuration_of_the_standard() -> None:
    assert KEY.key_id == 1
    assert KEY.public_key == vectors.OHTTP_KEY[3:35]
    assert KEY.suites == (Suite(1, 1), Suite(1, 3))
    written = encode_ohttp_key(key_id=1, public_key=KEY.public_key, suites=KEY.suites)
    assert written == vectors.OHTTP_KEY
    assert parse_ohttp_keys(listed(vectors.OHTTP_KEY)) == (KEY,)
    assert encode_ohttp_keys((KEY,)) == listed(vectors.OHTTP_KEY)


@given(st.integers(0, 255), st.binary(min_size=32, max_size=32), SUITES)
def test_what_is_written_is_read(key_id: int, public_key: bytes, suites: tuple[Suite, ...]) -> None:
    encoded = encode_ohttp_key(key_id=key_id, public_key=public_key, suites=suites)
    key = parse_ohttp_key(encoded)
    assert (key.raw, key.key_id, key.public_key) == (encoded, key_id, public_key)
    assert key.suites == suites


@given(st.binary(max_size=80))
def test_a_list_that_is_read_is_kept_to_the_byte(tail: bytes) -> None:
    try:
        keys = parse_ohttp_keys(listed(vectors.OHTTP_KEY) + tail)
    except ParseError:
        return
    assert keys[0] == KEY
    assert all(key.raw in listed(vectors.OHTTP_KEY) + tail for key in keys)


def test_what_is_not_ours_is_passed_over() -> None:
    other = raw(b"\x00\x09\x00\x01" + b"\x00\x01\x00\x01" + b"\x00\x01\xff\xff")
    assert parse_ohttp_key(other).suites == (Suite(1, 1),)
    assert parse_ohttp_keys(listed(OTHER_KEM, vectors.OHTTP_KEY)) == (KEY,)
    with rejects(UnsupportedError, LIST, expected="0x0020", got="^1 of other kinds$"):
        parse_ohttp_keys(listed(OTHER_KEM))
    with rejects(
        UnsupportedError, "KEM of the key configuration", expected="^0x0020$", got="^0x0010$"
    ):
        parse_ohttp_key(OTHER_KEM)
    with rejects(
        UnsupportedError,
        "symmetric algorithms of the key configuration",
        expected="one of ours",
        got="1 others",
    ):
        parse_ohttp_key(raw(b"\x00\x09\x00\x01"))


@pytest.mark.parametrize("size", [0, 2, 3, 36])
def test_a_short_configuration_is_refused(size: int) -> None:
    expected = "^3 bytes or more$" if size < 3 else "^37 bytes or more$"
    with rejects(ParseError, "key configuration", expected=expected, got=f"^{size} bytes$"):
        parse_ohttp_key(vectors.OHTTP_KEY[:size])


@pytest.mark.parametrize(
    ("suites", "length", "expected", "got"),
    [
        (b"\x00\x01\x00\x01", 5, "5 bytes", "4"),
        (b"\x00\x01\x00\x01", 0, "0 bytes", "4"),
        (b"", None, "1 to 64 of 4 bytes", "0 bytes"),
        (b"\x00\x01\x00", None, "1 to 64 of 4 bytes", "3 bytes"),
        (b"\x00\x01\x00\x01" * 65, None, "1 to 64 of 4 bytes", "260 bytes"),
        (b"\x00\x01\x00\x01" * 2, None, "each once", "one of them twice"),
    ],
)
def test_wrong_algorithms_are_refused(
    suites: bytes, length: int | None, expected: str, got: str
) -> None:
    what = "symmetric algorithms of the key configuration"
    with rejects(ParseError, what, expected=expected, got=got):
        parse_ohttp_key(raw(suites, length=length))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x00",
        listed(vectors.OHTTP_KEY)[:-1],
        listed(vectors.OHTTP_KEY) + b"\x00",
        listed(vectors.OHTTP_KEY) + b"\x00\x05abcd",
    ],
)
def test_a_list_that_is_cut_is_refused_whole(encoded: bytes) -> None:
    with rejects(ParseError, LIST, expected="bytes of length and as many more", got="bytes$"):
        parse_ohttp_keys(encoded)


def test_a_list_with_one_wrong_configuration_is_refused_whole() -> None:
    with rejects(ParseError, "key configuration", expected="3 bytes or more", got="0 bytes"):
        parse_ohttp_keys(listed(vectors.OHTTP_KEY, b""))


def test_a_list_has_limits() -> None:
    with rejects(ParseError, LIST, expected=f"at most {MAX_OHTTP_KEYS}", got="bytes"):
        parse_ohttp_keys(bytes(MAX_OHTTP_KEYS + 1))
    many = listed(*([OTHER_KEM] * (MAX_CONFIGURATIONS + 1)))
    with rejects(ParseError, LIST, expected=f"at most {MAX_CONFIGURATIONS} conf", got="more"):
        parse_ohttp_keys(many)
    with rejects(ParseError, LIST, expected="a key identifier for each key", got="twice"):
        parse_ohttp_keys(listed(vectors.OHTTP_KEY, raw(b"\x00\x01\x00\x01")))


def test_what_no_configuration_can_say_is_not_written() -> None:
    for public_key, suites in (
        (bytes(31), KEY.suites),
        (bytes(33), KEY.suites),
        (bytes(32), ()),
        (bytes(32), (Suite(9, 9),)),
        (bytes(32), (*KEY.suites, Suite(9, 9))),
    ):
        with pytest.raises(ValueError, match="not a key configuration"):
            encode_ohttp_key(key_id=1, public_key=public_key, suites=suites)
    with pytest.raises(ValueError, match="not a list of key configurations"):
        encode_ohttp_keys(())
    with pytest.raises(ValueError, match="not a list of key configurations"):
        encode_ohttp_keys((KEY, KEY))
