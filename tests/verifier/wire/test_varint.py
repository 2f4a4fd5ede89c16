"""Variable-length integers: the samples of RFC 9000 appendix A.1, every width, every cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.wire.varint import MAX_VARINT, encode_varint, parse_varint


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
    ],
)
def test_the_samples_of_the_standard_are_read_and_written(encoded: str, value: int) -> None:
    raw = bytes.fromhex(encoded)
    assert parse_varint(raw, 0, what="x") == (value, len(raw))
    assert encode_varint(value) == raw


@pytest.mark.parametrize("encoded", ["4025", "80000025", "c000000000000025"])
def test_more_bytes_than_needed_are_allowed(encoded: str) -> None:
    raw = bytes.fromhex(encoded)
    assert parse_varint(b"\xff" + raw, 1, what="x") == (37, 1 + len(raw))


@given(st.integers(0, MAX_VARINT))
def test_what_is_written_is_read(value: int) -> None:
    raw = encode_varint(value)
    assert parse_varint(raw, 0, what="x") == (value, len(raw))


@pytest.mark.parametrize("bits", [6, 14, 30])
def test_the_shortest_form_is_written(bits: int) -> None:
    assert len(encode_varint(2**bits)) == 2 * len(encode_varint(2**bits - 1))


@pytest.mark.parametrize("value", [-1, MAX_VARINT + 1])
def test_what_fits_into_no_form_is_not_written(value: int) -> None:
    with pytest.raises(ValueError, match="is not 0 to"):
        encode_varint(value)


@given(st.integers(64, MAX_VARINT), st.integers(1, 8))
def test_a_cut_integer_is_refused(value: int, cut: int) -> None:
    raw = encode_varint(value)
    kept = raw[: max(len(raw) - cut, 1)]
    with rejects(ParseError, "x", expected=f"of {len(raw)} bytes$", got=f"^{len(kept)}$"):
        parse_varint(kept, 0, what="x")


@pytest.mark.parametrize("offset", [1, 2])
def test_no_byte_is_no_integer(offset: int) -> None:
    with rejects(ParseError, "x", expected="an integer of 1 bytes", got="^0$"):
        parse_varint(b"\x00", offset, what="x")
