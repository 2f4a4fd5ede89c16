"""Answers of a gateway: round trips, and every part with each thing wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire.path_messages import TUNNEL, problem
from verifier.errors import ParseError
from verifier.wire.bhttp import (
    Field,
    InformationalResponse,
    encode_response,
    pad_message,
    parse_response,
)
from verifier.wire.token_challenge import parse_offered_challenges
from verifier.wire.tunnel import BUCKETS, MAX_RECORDS, padded_size
from verifier.wire.tunnel_answer import (
    PROBLEM_STATUSES,
    TunnelAnswer,
    TunnelClosed,
    TunnelProblem,
    TunnelReply,
    encode_tunnel_answer,
    parse_tunnel_answer,
)

WHAT = "tunnel answer"
ANSWER = TunnelAnswer(TUNNEL, b"\x17\x03\x03 answer")
CONFLICT = replace(problem(), status=409, challenge="")
TEXTS = st.from_regex(r"[ -~]{0,60}", fullmatch=True)


def written(answer: TunnelReply, **changes: Any) -> bytes:
    """The answer with something of its binary message changed."""
    raw = encode_response(replace(parse_response(encode_tunnel_answer(answer)), **changes))
    return pad_message(raw, size=padded_size(len(raw)))


def document(**changes: Any) -> bytes:
    members = json.loads(parse_response(encode_tunnel_answer(CONFLICT)).content) | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


@given(
    st.one_of(
        st.builds(TunnelAnswer, st.binary(min_size=16, max_size=16), st.binary(max_size=3000)),
        st.just(TunnelClosed()),
        st.builds(
            TunnelProblem,
            status=st.sampled_from([status for status in PROBLEM_STATUSES if status != 401]),
            what=TEXTS,
            expected=TEXTS,
            got=TEXTS,
            challenge=st.just(""),
        ),
        st.just(problem()),
    )
)
def test_an_answer_is_read_as_written(answer: TunnelReply) -> None:
    raw = encode_tunnel_answer(answer)
    assert parse_tunnel_answer(raw) == answer
    assert len(raw) in BUCKETS


def test_the_spelling_is_fixed() -> None:
    response = parse_response(encode_tunnel_answer(ANSWER))
    media_type = Field("content-type", b"application/octet-stream")
    assert response.fields == (media_type, Field("tunnel", TUNNEL.hex().encode()))
    assert parse_response(encode_tunnel_answer(TunnelClosed())).status == 204
    assert json.loads(document()) == {
        "expected": "one that is not spent",
        "field": "token",
        "got": "one that is",
        "status": 409,
        "title": "Conflict",
    }


def test_a_refused_token_comes_with_the_challenge() -> None:
    read = parse_tunnel_answer(encode_tunnel_answer(problem()))
    assert isinstance(read, TunnelProblem)
    (offered,) = parse_offered_challenges(read.challenge)
    assert offered.max_age == 10


def test_a_length_says_only_which_bucket() -> None:
    sizes = {
        len(encode_tunnel_answer(answer))
        for answer in (ANSWER, TunnelClosed(), problem(), replace(ANSWER, records=b""))
    }
    assert sizes == {1024}
    most = replace(ANSWER, records=bytes(MAX_RECORDS))
    assert parse_tunnel_answer(encode_tunnel_answer(most)) == most


@pytest.mark.parametrize("size", [0, 1023, 1025, 524_288])
def test_another_length_is_refused(size: int) -> None:
    raw = (encode_tunnel_answer(ANSWER) + bytes(2**20))[:size]
    expected = "a power of two from 1024 to 262144 bytes"
    with rejects(ParseError, f"length of the {WHAT}", expected=expected, got=f"^{size}$"):
        parse_tunnel_answer(raw)


@pytest.mark.parametrize(
    ("answer", "changes", "what", "expected", "got"),
    [
        (ANSWER, {"trailers": (Field("a", b""),)}, WHAT, "no trailers", "^0 and 1$"),
        (
            ANSWER,
            {"informational": (InformationalResponse(103, ()),)},
            WHAT,
            "no informational",
            "^1 and 0$",
        ),
        (ANSWER, {"status": 201}, f"status of the {WHAT}", "200, 204, 400, 401", "^201$"),
        (ANSWER, {"status": 500}, f"status of the {WHAT}", "200, 204, 400, 401", "^500$"),
        (ANSWER, {"fields": ()}, f"fields of the {WHAT}", "content-type and tunnel", "''"),
        (
            ANSWER,
            {"fields": (Field("content-type", b"text/plain"), Field("tunnel", b"00" * 16))},
            f"content-type of the {WHAT}",
            "application/octet-stream",
            "text/plain",
        ),
        (
            ANSWER,
            {"fields": (Field("content-type", b"application/octet-stream"), Field("tunnel", b"0"))},
            f"tunnel of the {WHAT}",
            "32 lower-case hex digits",
            "'0'",
        ),
        (
            ANSWER,
            {"content": bytes(MAX_RECORDS + 1)},
            f"content of the {WHAT}",
            f"at most {MAX_RECORDS} bytes",
            f"{MAX_RECORDS + 1}",
        ),
        (TunnelClosed(), {"content": b"x"}, f"content of the {WHAT}", "^0 bytes$", "^1$"),
        (TunnelClosed(), {"fields": (Field("a", b""),)}, f"fields of the {WHAT}", "none", "a"),
        (problem(), {"status": 409}, f"fields of the {WHAT}", "^content-type$", "www"),
        (CONFLICT, {"status": 401}, f"fields of the {WHAT}", "www-authenticate", "content-type"),
        (
            CONFLICT,
            {"fields": (Field("content-type", b"text/plain"),)},
            f"content-type of the {WHAT}",
            "application/problem",
            "text",
        ),
        *(
            (CONFLICT, {"content": content}, f"problem of the {WHAT}{member}", expected, got)
            for content, member, expected, got in (
                (b"", "", "JSON", "line 1"),
                (document(status=404), ".status", "409 to 409", "404"),
                (document(title="x"), ".title", "Conflict", "x"),
                (document(field="ä"), ".field", "text like", "ä"),
                (document(expected="x" * 513), ".expected", "text like", "513 long"),
                (document(got=...), ".got", "the member", "missing"),
                (document(type="x"), "", "no unknown member", "type"),
            )
        ),
    ],
)
def test_a_wrong_answer_is_refused(
    answer: TunnelReply, changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_tunnel_answer(written(answer, **changes))


@pytest.mark.parametrize(
    "answer",
    [
        replace(ANSWER, tunnel=b""),
        replace(ANSWER, records=bytes(MAX_RECORDS + 1)),
        replace(problem(), status=500),
        replace(problem(), status=200),
        replace(problem(), challenge=""),
        replace(CONFLICT, challenge="PrivateToken"),
        replace(CONFLICT, got="ä"),
        replace(problem(), challenge="PrivateToken ä"),
    ],
)
def test_what_no_answer_can_say_is_not_written(answer: TunnelReply) -> None:
    with pytest.raises(ValueError, match=r"not a tunnel answer|can say this"):
        encode_tunnel_answer(answer)
