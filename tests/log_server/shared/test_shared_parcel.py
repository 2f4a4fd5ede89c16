from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_server.errors import (
    AdmissionError,
    BusyError,
    ClockError,
    DamagedError,
    DiskSpaceError,
    PolicyRefusalError,
    QuorumError,
    StoppedError,
)
from log_server.shared.parcel import encode_error, encode_parcel, parse_error, parse_parcel
from verifier.errors import AuditError, ParseError
from verifier.tlog.tile import MAX_ENTRY, encode_bundle

SUBMISSIONS = st.lists(
    st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20).map(tuple),
    min_size=1,
    max_size=20,
).map(tuple)


@given(SUBMISSIONS)
def test_a_parcel_comes_out_as_it_went_in(submissions: tuple[tuple[bytes, ...], ...]) -> None:
    assert parse_parcel(*encode_parcel(submissions)) == submissions


def test_more_entries_than_a_bundle_has_and_the_longest() -> None:
    submissions = (tuple(b"%d" % number for number in range(4096)), (b"x" * MAX_ENTRY,))
    assert parse_parcel(*encode_parcel(submissions)) == submissions


@pytest.mark.parametrize(
    ("counts", "raw", "expected", "got"),
    [
        ((), b"", "submissions of entries", "an empty one"),
        ((1, 0), b"\0\1x", "submissions of entries", "an empty one"),
        ((1,), b"\0\0", "entries of 1 to 65,535 bytes", "an empty one"),
        ((2,), b"\0\1x", "2 entries", "1 entries and 0 bytes more"),
        ((1,), b"\0\1x\0\1y", "1 entries", "1 entries and 3 bytes more"),
        ((1,), b"\0\2x", "whole entries", "3 bytes, entry 0 ends at 4"),
    ],
)
def test_what_is_no_parcel(counts: tuple[int, ...], raw: bytes, expected: str, got: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_parcel(counts, raw)
    assert (caught.value.expected, caught.value.got) == (expected, got)


@pytest.mark.parametrize(
    "kind",
    [
        AdmissionError,
        BusyError,
        ClockError,
        DiskSpaceError,
        PolicyRefusalError,
        QuorumError,
        StoppedError,
    ],
)
def test_an_error_keeps_its_class_and_its_words(kind: type[AuditError]) -> None:
    error = parse_error(encode_error(kind("what\n", expected="", got="\0 ü", hint="do")))
    assert type(error) is kind
    assert (error.what, error.expected, error.got, error.hint) == ("what\n", "", "\0 ü", "do")


def test_an_error_of_another_class_stops_and_a_long_one_is_cut() -> None:
    error = parse_error(encode_error(DamagedError("tile", expected="x" * 99_999, got="\ud800")))
    assert type(error) is StoppedError
    assert (len(error.expected), error.got) == (4000, "\\ud800")


def test_what_is_no_error() -> None:
    with pytest.raises(ParseError) as caught:
        parse_error(encode_bundle([b"SystemExit", b"", b"", b"", b""]))
    assert (caught.value.what, caught.value.got) == ("error of the sequencer", "SystemExit")
    with pytest.raises(ParseError):
        parse_error(b"\xff")
