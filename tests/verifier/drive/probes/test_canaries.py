"""Canaries: found in every spelling that is promised, and in nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import zlib
from collections.abc import Callable
from urllib.parse import quote_from_bytes

import pytest

from verifier.drive.probes.canaries import (
    MARK_SIZE,
    MAX_INFLATED,
    Canary,
    Found,
    Hay,
    encodings,
    make_canary,
    spellings,
)

WORD = "qzkwvxjpqrtnhbabcd"
CANARY = Canary(WORD[:MARK_SIZE])
PLACE = "relay-gateway, connection 0, there"

SPELLED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "plain": (bytes, "as it is"),
    "capitals": (bytes.upper, "in capitals"),
    "capital": (bytes.capitalize, "with a capital"),
    "UTF-16 LE": (lambda word: word.decode().encode("utf-16-le"), "in UTF-16"),
    "UTF-16 BE": (lambda word: word.decode().encode("utf-16-be"), "in UTF-16"),
    "UTF-32 LE": (lambda word: word.decode().encode("utf-32-le"), "in UTF-32"),
    "UTF-32 BE": (lambda word: word.decode().encode("utf-32-be"), "in UTF-32"),
    "hex": (lambda word: word.hex().encode(), "in hex"),
    "HEX": (lambda word: word.hex().upper().encode(), "in hex capitals"),
    "JSON": (
        lambda word: "".join(f"\\u{each:04x}" for each in word).encode(),
        "escaped as in JSON",
    ),
    "URL": (
        lambda word: "".join(f"%{each:02X}" for each in word).encode(),
        "escaped as in a URL",
    ),
    "backwards": (lambda word: word[::-1], "backwards"),
    "gzip": (gzip.compress, "as it is, in gzip"),
    "zlib": (zlib.compress, "as it is, in zlib"),
    "zlib of base64": (
        lambda word: zlib.compress(base64.b64encode(word)),
        "in base64, 0 bytes after a boundary, in zlib",
    ),
}


@pytest.mark.parametrize("name", SPELLED)
def test_a_word_is_found_as_it_may_be_spelled(name: str) -> None:
    spell, spelling = SPELLED[name]
    before = b"\x00\xff before "
    found = CANARY.find(Hay(PLACE, before + spell(WORD.encode()) + b" after"))
    assert found is not None
    assert found.spelling == spelling
    assert (found.place, found.offset >= len(before)) == (PLACE, True)


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_word_is_found_in_base64_wherever_it_begins(
    before: int, encode: Callable[[bytes], bytes]
) -> None:
    text = encode(b"\xfb" * before + WORD.encode() + b"\xff\xfe")
    found = CANARY.find(Hay(PLACE, text))
    assert found is not None
    assert found.spelling == f"in base64, {before % 3} bytes after a boundary"


@pytest.mark.parametrize("before", range(3))
def test_bytes_are_found_in_both_alphabets_of_base64(before: int) -> None:
    raw = b"\xfb\xef\xbe\xff\xff\xfe" * 3
    names = {
        "in base64": base64.b64encode(bytes(before) + raw + b"\x00"),
        "in base64url": base64.urlsafe_b64encode(bytes(before) + raw + b"\x00"),
    }
    for name, text in names.items():
        assert encodings(raw)[f"{name}, {before} bytes after a boundary"] in text
    assert not set(encodings(raw).values()) & {b""}


def test_the_offset_and_the_words_say_where() -> None:
    found = CANARY.find(Hay(PLACE, b"12345" + WORD.encode()))
    assert found == Found(PLACE, 5, "as it is")
    assert str(found) == f"{PLACE}, offset 5: as it is"


def test_what_has_no_word_of_it_is_passed_over() -> None:
    other = make_canary()
    hay = [b"", WORD[: MARK_SIZE - 1].encode(), WORD[1:].encode(), other.word().encode()]
    hay += [secrets.token_bytes(200_000), b"\x1f\x8b\x08" * 9, b"\x78\x9c" * 9, zlib.compress(b"")]
    assert [CANARY.find(Hay(PLACE, each)) for each in hay] == [None] * len(hay)


def test_of_a_compressed_stream_only_a_bounded_part_is_unpacked() -> None:
    within = zlib.compress(bytes(MAX_INFLATED - len(WORD)) + WORD.encode())
    beyond = zlib.compress(bytes(MAX_INFLATED) + WORD.encode())
    assert CANARY.find(Hay(PLACE, within)) is not None
    assert CANARY.find(Hay(PLACE, beyond)) is None
    assert CANARY.find_plain(Hay(PLACE, within)) is None


def test_words_begin_alike_and_are_new_every_time() -> None:
    canary = make_canary()
    words = {canary.word() for _ in range(20)}
    assert len(words) == 20
    assert all(word.startswith(canary.mark) and word.isalpha() and word.islower() for word in words)
    assert len(canary.mark) == MARK_SIZE
    assert canary.mark != make_canary().mark


def test_answers_may_have_it_with_capitals() -> None:
    assert CANARY.is_in(f"The parcel {WORD.capitalize()}.")
    assert not CANARY.is_in("The parcel.")


def test_nothing_is_searched_for_twice() -> None:
    needles = spellings(CANARY.mark)
    assert len(needles) == len(set(needles.values())) == 13
    assert min(map(len, needles.values())) == MARK_SIZE


def test_json_and_urls_write_letters_as_they_are() -> None:
    """So the escaped spellings are those of somebody who escapes more than is needed."""
    assert CANARY.mark in json.dumps(WORD)
    assert CANARY.mark in quote_from_bytes(WORD.encode())
