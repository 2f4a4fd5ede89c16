"""The host's certificate table: a good one, and one with each thing wrong."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic_amd import synthetic_amd
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.evidence.certificate_table import (
    MAX_ENTRIES,
    MAX_TABLE,
    parse_certificate_table,
    split_report,
    starts_table,
)
from verifier.evidence.guid import guid
from verifier.evidence.snp_report import SIZE
from verifier.roots.snp_root import Product, VekKind

VCEK = "63da758d-e664-4564-adc5-f4b93be8accd"
VLEK = "a8074bc2-a25a-483e-aae6-39c045a0b8a1"
ASK = "4ab7b379-bbac-4fe4-a02f-05aef327c782"
ARK = "c0b406a4-a803-4952-9743-3fb6014cd0ae"
OTHER = "ffffffff-0000-1111-2222-333333333333"
WHAT = "certificate table"


def header(*entries: tuple[str, int, int]) -> bytes:
    rows = [guid(text) + struct.pack("<II", start, size) for text, start, size in entries]
    return b"".join(rows) + bytes(24)


def table(contents: dict[str, bytes], padding: int = 0) -> bytes:
    place = 24 * (len(contents) + 1)
    entries = []
    for text, content in contents.items():
        entries.append((text, place, len(content)))
        place += len(content)
    return header(*entries) + b"".join(contents.values()) + bytes(padding)


def test_certificates_are_found_by_their_guids() -> None:
    raw = table({VLEK: b"vlek", OTHER: b"other", ASK: b"ask", ARK: b"ark"}, padding=4096)
    assert raw[:4] == bytes.fromhex("c24b07a8")  # the first field of a GUID is little-endian
    parsed = parse_certificate_table(raw)
    assert parsed.vek(VekKind.VLEK) == b"vlek"
    assert parsed.vek(VekKind.VCEK) is None
    assert parsed.authorities == (b"ask", b"ark")
    assert parsed.names == ("VLEK", OTHER, "ASK", "ARK")
    assert starts_table(raw)
    assert not starts_table(table({OTHER: b"x"}))


def test_of_two_keys_the_report_says_which() -> None:
    two = parse_certificate_table(table({VCEK: b"vcek", VLEK: b"vlek"}))
    for kind, found in ((VekKind.VCEK, b"vcek"), (VekKind.VLEK, b"vlek")):
        assert two.vek_of(synthetic_amd(Product.MILAN, kind).report()) == found
    with pytest.raises(ParseError):
        two.vek_of(b"not one")
    for only in (VCEK, VLEK):
        assert parse_certificate_table(table({only: b"x"})).vek_of(b"not read") == b"x"
    assert parse_certificate_table(table({ARK: b"x"})).vek_of(b"not read") is None


def test_the_order_of_contents_is_free() -> None:
    raw = header((VCEK, 75, 2), (ARK, 72, 3)) + b"arkvc"
    parsed = parse_certificate_table(raw)
    assert (parsed.vek(VekKind.VCEK), parsed.authorities) == (b"vc", (b"ark",))


def test_a_table_may_be_empty() -> None:
    assert parse_certificate_table(bytes(4096)).names == ()


@given(
    st.dictionaries(
        st.uuids().map(str).filter(lambda text: text.strip("0-")),
        st.binary(min_size=1, max_size=40),
        max_size=MAX_ENTRIES,
    ),
    st.integers(0, 64),
)
def test_what_is_written_is_read(contents: dict[str, bytes], padding: int) -> None:
    parsed = parse_certificate_table(table(contents, padding))
    assert list(parsed.contents.items()) == [(guid(k), v) for k, v in contents.items()]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_a_table(raw: bytes) -> None:
    try:
        parsed = parse_certificate_table(raw)
    except ParseError:
        return
    assert all(content in raw for content in parsed.contents.values())


PLACE = "one or more bytes from 48 to 58, under no other"
REFUSED: dict[str, tuple[bytes, str, str, str]] = {
    "nothing": (b"", WHAT, "an entry of zeros at the end", "none"),
    "no end": (header((VCEK, 24, 1))[:24] + b"x", WHAT, "an entry of zeros at the end", "none"),
    "cut end": (header((VCEK, 48, 1))[:47], WHAT, "an entry of zeros at the end", "none"),
    "too large": (bytes(MAX_TABLE + 1), WHAT, f"at most {MAX_TABLE} bytes", "65537 bytes"),
    "too many": (
        table({f"{number:08x}{OTHER[8:]}": b"x" for number in range(1, MAX_ENTRIES + 2)}),
        WHAT,
        "at most 32 certificates",
        "more",
    ),
    "twice": (
        header((VCEK, 72, 1), (VCEK, 73, 1)) + b"xx",
        WHAT,
        "each GUID once",
        "VCEK twice",
    ),
    "unknown twice": (
        header((OTHER, 72, 1), (OTHER, 73, 1)) + b"xx",
        WHAT,
        "each GUID once",
        f"{OTHER} twice",
    ),
    "over the entries": (
        header((VCEK, 47, 5)) + bytes(10),
        f"{WHAT}, VCEK",
        PLACE,
        "47 to 52",
    ),
    "behind the end": (header((VLEK, 48, 11)) + bytes(10), f"{WHAT}, VLEK", PLACE, "48 to 59"),
    "far behind": (
        header((ARK, 0xFFFFFFFF, 0xFFFFFFFF)) + bytes(10),
        f"{WHAT}, ARK",
        PLACE,
        "4294967295 to 8589934590",
    ),
    "empty": (header((ASK, 48, 0)) + bytes(10), f"{WHAT}, ASK", PLACE, "48 to 48"),
    "overlap": (
        header((VCEK, 72, 5), (OTHER, 76, 5)) + bytes(10),
        f"{WHAT}, {OTHER}",
        "one or more bytes from 77 to 82, under no other",
        "76 to 81",
    ),
    "same place": (
        header((VCEK, 72, 5), (ARK, 72, 5)) + bytes(10),
        f"{WHAT}, VCEK",
        "from 77 to 82",
        "72 to 77",
    ),
    "hidden between": (
        header((VCEK, 49, 1)) + b"hx",
        WHAT,
        "zeros outside of certificates",
        "something else",
    ),
    "hidden behind": (
        table({VCEK: b"x"}) + b"\0y",
        WHAT,
        "zeros outside of certificates",
        "something else",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_malformed_table(case: str) -> None:
    raw, what, expected, got = REFUSED[case]
    with rejects(ParseError, what, expected=expected, got=f"^{got}$"):
        parse_certificate_table(raw)


def test_a_table_may_follow_a_report() -> None:
    report, found = split_report(b"R" * SIZE + table({VCEK: b"vcek"}))
    assert report == b"R" * SIZE
    assert found is not None
    assert found.vek(VekKind.VCEK) == b"vcek"
    assert split_report(b"R" * SIZE) == (b"R" * SIZE, None)
    assert split_report(b"short") == (b"short", None)
    with rejects(ParseError, WHAT, expected="an entry of zeros", got="none"):
        split_report(b"R" * SIZE + b"\0")
