"""What a key CDN gives out: round trips, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.release.dsse import MAX_ENVELOPE
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.wire.key_configuration import (
    MAGIC,
    MAX_CONFIGURATIONS,
    MAX_ENTRY,
    MAX_KEY_DOCUMENT,
    LoggedConfiguration,
    encode_key_document,
    parse_key_document,
)

WHAT = "key document"
CONFIGURATIONS = st.lists(
    st.builds(
        LoggedConfiguration, st.binary(min_size=1, max_size=50), st.binary(min_size=1, max_size=50)
    ),
    min_size=1,
    max_size=MAX_CONFIGURATIONS,
    unique_by=lambda each: each.entry,
).map(tuple)


def raw(*fields: bytes, magic: bytes = MAGIC) -> bytes:
    return magic + b"".join(struct.pack(">I", len(field)) + field for field in fields)


def test_the_format_is_the_one_written_down() -> None:
    pair = (LoggedConfiguration(b"{}", b"p"), LoggedConfiguration(b"[]", b"q"))
    assert encode_key_document(pair) == raw(b"{}", b"p", b"[]", b"q")
    assert parse_key_document(raw(b"{}", b"p", b"[]", b"q")) == pair


def test_its_facts_are_those_of_the_formats_that_it_carries() -> None:
    assert MAX_ENTRY == MAX_ENVELOPE
    assert MAX_KEY_DOCUMENT == 8 + 8 * (8 + MAX_ENVELOPE + MAX_PROOF_SIZE)


@given(CONFIGURATIONS)
def test_what_is_written_is_read(configurations: tuple[LoggedConfiguration, ...]) -> None:
    assert parse_key_document(encode_key_document(configurations)) == configurations


@given(st.binary(max_size=100))
def test_only_one_spelling_is_read(tail: bytes) -> None:
    try:
        read = parse_key_document(MAGIC + tail)
    except AuditError:
        return
    assert encode_key_document(read) == MAGIC + tail


def test_another_format_is_refused() -> None:
    with rejects(ParseError, WHAT, expected="CVMKEYS1", got="NOTKEYS1"):
        parse_key_document(raw(b"a", b"b", magic=b"NOTKEYS1"))
    with rejects(UnsupportedError, WHAT, expected="CVMKEYS1", got="CVMKEYS2"):
        parse_key_document(raw(b"a", b"b", magic=b"CVMKEYS2"))


@pytest.mark.parametrize(
    ("encoded", "what", "expected", "got"),
    [
        (MAGIC, f"entry of the {WHAT}", "4 bytes of length", "^0$"),
        (raw(b""), f"entry of the {WHAT}", f"1 to {MAX_ENTRY} bytes", "^0$"),
        (
            raw(bytes(MAX_ENTRY + 1), b"p"),
            f"entry of the {WHAT}",
            f"1 to {MAX_ENTRY} bytes",
            f"{MAX_ENTRY + 1}",
        ),
        (raw(b"abc")[:-1], f"entry of the {WHAT}", "^3 bytes$", "^2$"),
        (raw(b"a"), f"proof of the {WHAT}", "4 bytes of length", "^0$"),
        (raw(b"a") + bytes(3), f"proof of the {WHAT}", "4 bytes of length", "^3$"),
        (raw(b"a", b""), f"proof of the {WHAT}", f"1 to {MAX_PROOF_SIZE} bytes", "^0$"),
        (
            raw(b"a", bytes(MAX_PROOF_SIZE + 1)),
            f"proof of the {WHAT}",
            f"1 to {MAX_PROOF_SIZE} bytes",
            f"{MAX_PROOF_SIZE + 1}",
        ),
        (raw(b"a", b"p") + b"\x00", f"entry of the {WHAT}", "4 bytes of length", "^1$"),
        (raw(b"a", b"p", b"a", b"q"), WHAT, "distinct entries", "one of them twice"),
        (raw(*[b"a", b"p"] * 9), WHAT, "at most 8 configurations", "more"),
        (bytes(MAX_KEY_DOCUMENT + 1), WHAT, f"at most {MAX_KEY_DOCUMENT} bytes", "bytes"),
    ],
)
def test_a_malformed_document_is_refused(
    encoded: bytes, what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_key_document(encoded)


def test_what_no_document_can_say_is_not_written() -> None:
    one = LoggedConfiguration(b"a", b"p")
    for made in ((), (one, one), (LoggedConfiguration(b"", b"p"),)):
        with pytest.raises(ValueError, match="not a key document"):
            encode_key_document(made)
