from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from verifier.errors import ParseError, PolicyError
from verifier.tlog.json_object import JsonObject


def reader(**members: Any) -> JsonObject:
    return JsonObject(members, what="doc")


def test_members_are_read_once_each() -> None:
    document = reader(a="x", b=1, c=True, d="0aff", e="0x10", f="2026-11-21T12:00:00Z", g=None)
    assert document.names() == tuple("abcdefg")
    assert document.has("a")
    assert document.text("a") == "x"
    assert document.integer("b") == 1
    assert document.boolean("c") is True
    assert document.hex("d", size=2) == b"\x0a\xff"
    assert document.hex_integer("e") == 16
    assert document.timestamp("f") == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert document.take("g") is None
    document.end()
    with pytest.raises(ParseError, match="it is missing"):
        document.text("a")


def test_arrays_and_objects() -> None:
    document = reader(a=[1, "x"], b=["p", "q"], c={"d": 1}, e=[{"f": 2}])
    assert document.array("a") == (1, "x")
    assert document.texts("b") == ("p", "q")
    inner = document.object("c")
    assert (inner.what, inner.integer("d")) == ("doc.c", 1)
    (item,) = document.objects("e")
    assert (item.what, item.integer("f")) == ("doc.e[0]", 2)


Read = Callable[[JsonObject], object]

FAULTS: dict[str, tuple[Any, Read, str, str]] = {
    "missing": (..., lambda d: d.text("m"), "the member", "it is missing"),
    "text for integer": ("1", lambda d: d.integer("m"), "an integer", "a string"),
    "boolean for integer": (True, lambda d: d.integer("m"), "an integer", "a boolean"),
    "integer for boolean": (1, lambda d: d.boolean("m"), "a boolean", "an integer"),
    "null for text": (None, lambda d: d.text("m"), "a string", "null"),
    "float": (1.5, lambda d: d.integer("m"), "an integer", "float"),
    "object for array": ({}, lambda d: d.array("m"), "an array", "an object"),
    "array for object": ([], lambda d: d.object("m"), "an object", "an array"),
    "text in objects": (["x"], lambda d: d.objects("m"), "an object", "a string"),
    "too small": (0, lambda d: d.integer("m", minimum=1), "1 to", "0"),
    "too large": (256, lambda d: d.integer("m", maximum=255), "0 to 255", "256"),
    "control character": ("a\n", lambda d: d.text("m"), "text like", r"'a\n'"),
    "no text": ("", lambda d: d.text("m"), "text like", "''"),
    "not a choice": ("c", lambda d: d.choice("m", ("a", "b")), "a or b", "'c'"),
    "short hex": ("00", lambda d: d.hex("m", size=2), "4 lower-case hex digits", "'00'"),
    "bare integer": ("10", lambda d: d.hex_integer("m"), "0x", "'10'"),
    "bad instant": ("now", lambda d: d.timestamp("m"), "an instant", "'now'"),
    "number for hex": (1, lambda d: d.hex("m", size=1), "a string", "an integer"),
    "short array": ([], lambda d: d.array("m", minimum=1), "1 to 1024 members", "0"),
    "long array": ([0] * 3, lambda d: d.array("m", maximum=2), "0 to 2 members", "3"),
    "same text twice": (["a", "a"], lambda d: d.texts("m"), "distinct", "one of them twice"),
    "number among texts": (["a", 1], lambda d: d.texts("m"), "strings like", "an integer"),
    "odd text among texts": (["\0"], lambda d: d.texts("m"), "strings like", r"'\x00'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_member_is_refused(name: str) -> None:
    value, read, expected, got = FAULTS[name]
    document = reader() if value is ... else reader(m=value)
    with pytest.raises(ParseError) as caught:
        read(document)
    assert caught.value.what in ("doc.m", "doc.m[0]")
    assert expected in caught.value.expected
    assert got in caught.value.got


def test_what_nobody_read_is_refused() -> None:
    document = reader(known=1, unknown=2)
    document.integer("known")
    with pytest.raises(ParseError) as caught:
        document.end()
    assert (caught.value.expected, caught.value.got) == ("no unknown member", "'unknown'")


def test_only_an_object_is_read() -> None:
    with pytest.raises(ParseError) as caught:
        JsonObject([], what="doc")
    assert (caught.value.expected, caught.value.got) == ("an object", "an array")


def test_the_error_is_the_callers() -> None:
    document = JsonObject({"m": {"n": 1}}, what="policy", error=PolicyError)
    with pytest.raises(PolicyError, match=r"policy\.m\.n"):
        document.object("m").text("n")
