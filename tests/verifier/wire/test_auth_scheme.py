"""Challenges and credentials of HTTP authentication, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.wire.auth_scheme import (
    MAX_AUTH_FIELD,
    Challenge,
    parse_challenges,
    parse_credentials,
)

WORDS = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,12}", fullmatch=True)
TEXTS = st.from_regex(r"[\t -~]{0,30}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "challenges"),
    [
        ("Basic", [Challenge("basic", {}, "")]),
        ("Basic YWI6Yw==", [Challenge("basic", {}, "YWI6Yw==")]),
        ('A b="c", d=e', [Challenge("a", {"b": "c", "d": "e"}, "")]),
        ('A  b = "c\\"\\\\,"\t,,  D', [Challenge("a", {"b": 'c"\\,'}, ""), Challenge("d", {}, "")]),
        ("A b=c, D efg=, H", [Challenge("a", {"b": "c"}, ""), Challenge("d", {}, "efg="),
                              Challenge("h", {}, "")]),
        (", A B=c,", [Challenge("a", {"b": "c"}, "")]),
    ],
)  # fmt: skip
def test_challenges_are_told_apart(text: str, challenges: list[Challenge]) -> None:
    assert list(parse_challenges(text, what="x")) == challenges


@given(
    st.lists(st.tuples(WORDS, st.dictionaries(WORDS, TEXTS, max_size=4)), min_size=1, max_size=4)
)
def test_what_is_quoted_is_read(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(
        f"{scheme} {', '.join(f'{name}={quoted(value)}' for name, value in parameters.items())}"
        for scheme, parameters in challenges
    )
    read = parse_challenges(text, what="x")
    assert [(each.scheme, each.parameters) for each in read] == challenges


@pytest.mark.parametrize(
    ("text", "expected", "got"),
    [
        ("", "1 to 16 challenges", "^0$"),
        (" , ,", "1 to 16 challenges", "^0$"),
        (", ".join(["A b=c"] * 17), "1 to 16 challenges", "^17$"),
        ("a=b", "a scheme before its parameters", "a=b"),
        ("A bcd=, e=f", "a scheme before its parameters", "e=f"),
        ('A b="c', "quotes that are closed", "c"),
        ('A b="c\\"', "quotes that are closed", "c"),
        ("A b=c d=e", "a parameter or a token68", "b=c d=e"),
        ('A b="c"d', "a parameter or a token68", "d"),
        ('A "b"', "a parameter or a token68", "b"),
        ("(A) b=c", "a scheme or a parameter", "A"),
        ("Ä b=c", "a scheme or a parameter", "Ä"),
        ("A b=ä", "a parameter or a token68", "ä"),
        ('A b="\x00"', "quotes that are closed", "x00"),
        ("A b=c, B=d", "each parameter once", "'b' twice"),
        ("a" * (MAX_AUTH_FIELD + 1), f"at most {MAX_AUTH_FIELD}", f"{MAX_AUTH_FIELD + 1}"),
    ],
)
def test_what_is_malformed_is_refused(text: str, expected: str, got: str) -> None:
    with rejects(ParseError, "x", expected=expected, got=got):
        parse_challenges(text, what="x")


def test_credentials_are_of_one_scheme() -> None:
    assert parse_credentials("A b=c", what="x") == Challenge("a", {"b": "c"}, "")
    with rejects(ParseError, "x", expected="one scheme", got="^2$"):
        parse_credentials("A b=c, D e=f", what="x")
