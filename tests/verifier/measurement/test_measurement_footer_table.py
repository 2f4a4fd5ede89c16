from __future__ import annotations

import pytest

from tests.ovmf_image import FOOTER, HASH_TABLE, RESET_BLOCK, build_footer_table, build_ovmf
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.measurement.footer_table import EntryKind, parse_footer_table

WHAT = "OVMF footer table"
RESET = EntryKind("SEV_ES_RESET_BLOCK", RESET_BLOCK, 4)
ENTRIES = [(RESET_BLOCK, b"eips"), (HASH_TABLE, b"addrsize")]


def image(table: bytes, *, size: int = 4096) -> bytes:
    return (bytes(size - 32 - len(table)) + table).ljust(size, b"\0")


def test_entries_are_read_backwards() -> None:
    table = parse_footer_table(image(build_footer_table(ENTRIES)))
    assert [(entry.name, entry.contents) for entry in table.entries] == ENTRIES[::-1]
    assert table.find(RESET) == table.take(RESET) == b"eips"


def test_unknown_entries_are_carried_along() -> None:
    unknown = "4c2eb361-7d9b-4cc3-8081-127c90d3d294"
    table = parse_footer_table(image(build_footer_table([*ENTRIES, (unknown, b"")])))
    assert table.entries[0].name == unknown
    assert table.take(RESET) == b"eips"


def test_an_empty_table_has_no_entry() -> None:
    table = parse_footer_table(image(build_footer_table([])))
    assert table.find(RESET) is None
    with rejects(ParseError, f"{WHAT} {RESET.title}", expected=RESET_BLOCK, got="missing"):
        table.take(RESET)


def test_an_entry_has_the_size_of_its_kind() -> None:
    table = parse_footer_table(image(build_footer_table([(RESET_BLOCK, b"eip")])))
    with rejects(ParseError, f"{WHAT} {RESET.title}", expected="4 bytes", got="3 bytes"):
        table.find(RESET)


def test_an_image_without_table_is_no_ovmf_image() -> None:
    other = "00000000-1fb2-45f7-baea-a366c55a082d"
    raw = image(build_footer_table(ENTRIES, footer=other))
    with rejects(ParseError, WHAT, expected=f"{FOOTER} 50 bytes before", got=other):
        parse_footer_table(raw)


@pytest.mark.parametrize("size", [0, 17, 49])
def test_an_image_too_short_for_a_table(size: int) -> None:
    with rejects(ParseError, WHAT, expected="an OVMF image", got=f"{size} bytes"):
        parse_footer_table(bytes(size))


@pytest.mark.parametrize("total", [0, 17, 65, 0xFFFF])
def test_a_table_lies_within_the_image(total: int) -> None:
    raw = image(build_footer_table([], total=total), size=96)
    with rejects(ParseError, WHAT, expected="a size of 18 to 64", got=str(total)):
        parse_footer_table(raw)


@pytest.mark.parametrize("left", [1, 17])
def test_entries_fill_the_table(left: int) -> None:
    table = bytes(left) + build_footer_table(ENTRIES)
    total = len(table).to_bytes(2, "little")
    raw = image(table[:-18] + total + table[-16:])
    with rejects(ParseError, WHAT, expected="entries that fill it", got=f"{left} bytes left"):
        parse_footer_table(raw)


@pytest.mark.parametrize("size", [0, 17, 23, 0xFFFF])
def test_an_entry_lies_within_the_table(size: int) -> None:
    table = build_footer_table([(RESET_BLOCK, b"eips")])
    raw = image(table[:4] + size.to_bytes(2, "little") + table[6:])
    with rejects(ParseError, WHAT, expected=f"{RESET_BLOCK} of 18 to 22 bytes", got=str(size)):
        parse_footer_table(raw)


def test_an_entry_counts_once() -> None:
    raw = image(build_footer_table([(RESET_BLOCK, b"aaaa"), (RESET_BLOCK, b"bbbb")]))
    with rejects(ParseError, WHAT, expected="each entry once", got=f"{RESET_BLOCK} twice"):
        parse_footer_table(raw)


def test_the_synthetic_image_has_its_table() -> None:
    names = {entry.name for entry in parse_footer_table(build_ovmf()).entries}
    assert {RESET_BLOCK, HASH_TABLE} < names
