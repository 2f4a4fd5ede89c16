from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.tlog.strict import (
    JSON_MAX_DEPTH,
    excerpt,
    first_repeated,
    parse_base64,
    parse_base64url,
    parse_decimal,
    parse_hex,
    parse_hex_integer,
    parse_json,
    parse_octal,
    parse_timestamp,
    parse_utf8,
)

# Excerpts.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short", "'short'"),
        (b"\x00\n", "b'\\x00\\n'"),
        ("a\nb\x1b[31m", "'a\\nb\\x1b[31m'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 59}… (61 long)"),
        ("x" * 10**6, f"'{'x' * 59}… (1000000 long)"),
    ],
)
def test_excerpts(value: str | bytes, shown: str) -> None:
    assert excerpt(value) == shown


def test_an_excerpt_has_a_limit() -> None:
    assert excerpt("abcdef", limit=3) == "'ab… (6 long)"


@given(st.text() | st.binary(), st.integers(1, 100))
def test_an_excerpt_is_one_short_line(value: str | bytes, limit: int) -> None:
    shown = excerpt(value, limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit + 30


# Decimals.


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("7", 7), ("10", 10), (str(2**63 - 1), 2**63 - 1)]
)
def test_decimals(text: str, value: int) -> None:
    assert parse_decimal(text, what="size") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+5",
        "-5",
        "-0",
        " 5",
        "5 ",
        "5\n",
        "05",
        "00",
        "1_000",
        "\u0665",
        "0x5",
        "5.0",
        "1e3",
        "9" * 21,
    ],
)
def test_what_is_no_decimal(text: str) -> None:
    with rejects(ParseError, "size", expected="without leading zeros", got=""):
        parse_decimal(text, what="size")


def test_decimals_have_a_maximum() -> None:
    assert parse_decimal("255", what="width", maximum=255) == 255
    with rejects(ParseError, "width", expected="a decimal up to 255", got="^256$"):
        parse_decimal("256", what="width", maximum=255)
    with rejects(ParseError, "size", expected=f"up to {2**63 - 1}", got=f"^{2**63}$"):
        parse_decimal(str(2**63), what="size")


@given(st.integers(0, 2**63 - 1))
def test_decimals_of_any_size(value: int) -> None:
    assert parse_decimal(str(value), what="size") == value


@given(st.text("0123456789+-_ .\u0660", max_size=8))
def test_a_decimal_has_one_spelling(text: str) -> None:
    try:
        value = parse_decimal(text, what="size")
    except ParseError:
        return
    assert str(value) == text


# Base64.


@given(st.binary(max_size=100))
@example(b"")
def test_base64(value: bytes) -> None:
    text = base64.b64encode(value).decode()
    assert parse_base64(text, what="key") == value
    assert parse_base64(text, what="key", size=len(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA",
        "AA=",
        "AAA",
        "AA===",
        "AB==",
        "AAB=",
        "A=A=",
        "=",
        "AA==\n",
        " AA==",
        "AA-_",
        "A\u00c4==",
        "AA==AA==",
    ],
)
def test_what_is_no_base64(text: str) -> None:
    with rejects(ParseError, "key", expected="^canonical base64$", got=re.escape(repr(text))):
        parse_base64(text, what="key")
    with rejects(ParseError, "key", expected="^canonical base64 of 1 bytes$", got="'"):
        parse_base64(text, what="key", size=1)


def test_base64_of_another_size() -> None:
    with rejects(ParseError, "root", expected="base64 of 32 bytes", got="^3 bytes$"):
        parse_base64("AAAA", what="root", size=32)


@given(st.text("ABw/+=-\n", max_size=9))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        value = parse_base64(text, what="key")
    except ParseError:
        return
    assert base64.b64encode(value).decode() == text


@given(st.binary())
def test_base64url(value: bytes) -> None:
    text = base64.urlsafe_b64encode(value).decode()
    bare = text.rstrip("=")
    assert parse_base64url(text, what="key", padded=True) == value
    assert parse_base64url(bare, what="key", padded=False, size=len(value)) == value


@pytest.mark.parametrize(
    ("text", "padded"),
    [
        ("+w==", True),
        ("/w==", True),
        ("-w", True),
        ("-w==", False),
        ("-w=", True),
        ("-x==", True),  # stray bits
        ("-x", False),
        ("A", False),
        ("AAAAA", False),
        (" -w==", True),
        ("-w\n", False),
        ("-w-", True),
    ],
)
def test_what_is_no_base64url(text: str, padded: bool) -> None:
    with rejects(ParseError, "key", expected="^canonical base64", got="'"):
        parse_base64url(text, what="key", padded=padded)


def test_base64url_of_another_size() -> None:
    with rejects(ParseError, "root", expected="base64 of 32 bytes", got="^3 bytes$"):
        parse_base64url("--__", what="root", padded=False, size=32)


@given(st.text(alphabet="-_+/Aw=", max_size=8), st.booleans())
def test_base64url_has_one_spelling(text: str, padded: bool) -> None:
    try:
        value = parse_base64url(text, what="key", padded=padded)
    except ParseError:
        return
    written = base64.urlsafe_b64encode(value).decode()
    assert text == (written if padded else written.rstrip("="))


# Hexadecimal.


@given(st.binary(max_size=60))
def test_hex(value: bytes) -> None:
    assert parse_hex(value.hex(), what="digest") == value
    assert parse_hex(value.hex(), what="digest", size=len(value)) == value


@pytest.mark.parametrize(
    "text", ["a", "AA", "aA", "a a", "0xaa", "aa\n", "aa:bb", "gg", "\u0660\u0660"]
)
def test_what_is_no_hex(text: str) -> None:
    with rejects(ParseError, "digest", expected="^lower-case hex$", got=re.escape(repr(text))):
        parse_hex(text, what="digest")


@pytest.mark.parametrize("text", ["", "a", "aaaa", "AA"])
def test_hex_of_another_size(text: str) -> None:
    with rejects(ParseError, "digest", expected="^2 lower-case hex digits$", got=f"'{text}'"):
        parse_hex(text, what="digest", size=1)


@pytest.mark.parametrize(
    ("text", "value"), [("0x0", 0), ("0x00ff", 255), ("0xFf", 255), (f"0x{'f' * 16}", 2**64 - 1)]
)
def test_hex_integers(text: str, value: int) -> None:
    assert parse_hex_integer(text, what="policy") == value


@pytest.mark.parametrize(
    "text", ["", "0x", "ff", "0XFF", "0xg", "0x_1", " 0x1", "0x1\n", "-0x1", f"0x{'0' * 17}"]
)
def test_what_is_no_hex_integer(text: str) -> None:
    with rejects(ParseError, "policy", expected="0x and 1 to 16 hex digits", got="'"):
        parse_hex_integer(text, what="policy")


def test_hex_integers_have_a_maximum() -> None:
    assert parse_hex_integer("0xff", what="vmpl", maximum=255) == 255
    with rejects(ParseError, "vmpl", expected="at most 0xff", got="^0x100$"):
        parse_hex_integer("0x100", what="vmpl", maximum=255)


# Instants.


def test_instants() -> None:
    expected = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    assert parse_timestamp("2026-02-28T23:59:59Z", what="at") == expected
    assert parse_timestamp("2026-02-28T23:59:59Z", what="at").tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-28",
        "2026-02-28T23:59:59",
        "2026-02-28t23:59:59z",
        "2026-02-28 23:59:59Z",
        "2026-02-28T23:59:59+00:00",
        "2026-02-28T23:59:59.0Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "2026-02-28T23:59:59Z\n",
        "\u0662026-02-28T23:59:59Z",
    ],
)
def test_what_is_no_instant(text: str) -> None:
    with rejects(ParseError, "at", expected="YYYY-MM-DDThh:mm:ssZ", got=re.escape(repr(text)[:8])):
        parse_timestamp(text, what="at")


# UTF-8.


@given(st.text())
def test_utf8(text: str) -> None:
    assert parse_utf8(text.encode(), what="note") == text


@pytest.mark.parametrize(
    ("raw", "at"), [(b"ab\xff", 2), (b"\xc0\x80", 0), (b"\xed\xa0\x80", 0), (b"a\xe2\x82", 1)]
)
def test_what_is_no_utf8(raw: bytes, at: int) -> None:
    with rejects(ParseError, "note", expected="UTF-8", got=f"^byte {at} is not$"):
        parse_utf8(raw, what="note")


# JSON.

INTEGER = st.integers(-(2**53) + 1, 2**53 - 1)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGER | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
@example({"brackets in a string": '[[[["\\"{{{{'}, True)
def test_json(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text.encode(), what="statement") == value


@pytest.mark.parametrize(
    ("text", "expected", "got"),
    [
        ("", "JSON", "line 1 column 1"),
        ("{", "JSON", "line 1 column 2"),
        ("[1]\n[2]", "JSON", "Extra data at line 2 column 1"),
        ("[1,]", "JSON", "line 1"),
        ("'a'", "JSON", "line 1"),
        ('{"a": 1, "a": 1}', "each key once", "^'a' twice$"),
        ('{"x": {"b": 1, "c": 2, "b": 3}}', "each key once", "^'b' twice$"),
        ("1.0", "integers only", "'1.0'"),
        ("1e3", "integers only", "'1e3'"),
        ("[NaN]", "integers only", "'NaN'"),
        ("-Infinity", "integers only", "'-Infinity'"),
        ("-0", "an integer", "^-0$"),
        (str(2**53), f"a decimal up to {2**53 - 1}", str(2**53)),
        (str(-(2**53)), f"a decimal up to {2**53 - 1}", str(2**53)),
        ("9" * 5000, "a decimal", "5000 long"),
        ("01", "JSON", "Extra data"),
        ('"\\ud800"', "Unicode text", "a lone surrogate"),
        ('{"\\udfff": 1}', "Unicode text", "a lone surrogate"),
        ("\ufeff{}", "JSON", "."),
    ],
)
def test_what_is_no_json(text: str, expected: str, got: str) -> None:
    with rejects(ParseError, "statement", expected=expected, got=got):
        parse_json(text.encode(), what="statement")


def test_json_is_utf8() -> None:
    with rejects(ParseError, "statement", expected="UTF-8", got="byte 1 is not"):
        parse_json(b'"\xff"', what="statement")


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(rb'"\ud83d\ude00 \\ud800"', what="statement") == "\U0001f600 \\ud800"


def nested_array(depth: int) -> str:
    return "[" * depth + "]" * depth


def nested_object(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("nested", [nested_array, nested_object])
def test_json_is_not_bottomless(nested: Callable[[int], str]) -> None:
    parsed = parse_json(nested(JSON_MAX_DEPTH).encode(), what="statement")
    for _ in range(JSON_MAX_DEPTH - 1):
        (parsed,) = parsed.values() if isinstance(parsed, dict) else parsed
    assert parsed in ([], {"a": 1})
    for depth in (JSON_MAX_DEPTH + 1, 100_000):
        with rejects(ParseError, "statement", expected="at most 32 levels", got="more"):
            parse_json(nested(depth).encode(), what="statement")


@given(st.binary(max_size=60))
def test_json_never_fails_otherwise(raw: bytes) -> None:
    try:
        value = parse_json(raw, what="statement")
    except ParseError as error:
        text = f"{error.expected} {error.got}"
    else:
        text = json.dumps(value)
    assert text


def test_octal() -> None:
    assert parse_octal("00000000017", what="size") == 15
    for text in ("", "8", "-1", "0o7", " 7", "777777777777"):
        with pytest.raises(ParseError) as caught:
            parse_octal(text, what="size")
        assert caught.value.expected == "1 to 11 octal digits"


def test_the_first_value_that_is_there_again() -> None:
    assert first_repeated("abcb") == "b"
    assert first_repeated("abc") is None
    assert first_repeated(()) is None


def test_a_key_that_comes_again_after_very_many_is_found_at_once() -> None:
    members = ",".join(f'"{number}": 0' for number in range(200_000))
    started = time.process_time()
    with pytest.raises(ParseError, match="each key once") as caught:
        parse_json(f'{{{members}, "199999": 1}}'.encode(), what="document")
    assert caught.value.got == "'199999' twice"
    assert time.process_time() - started < 10.0  # to count each key again took hours
