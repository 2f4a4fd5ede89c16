"""Requests and answers of the workload: round trips, and every member with each thing wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.wire.service import (
    MAX_ANSWER,
    MAX_MESSAGES,
    MAX_REQUEST,
    MAX_SENDER,
    MAX_SENTENCES,
    MAX_TEXT,
    STYLES,
    ChatRequest,
    Message,
    RewriteRequest,
    SummaryRequest,
    encode_chat_answer,
    encode_chat_request,
    encode_counters,
    encode_rewrite_answer,
    encode_rewrite_request,
    encode_summary_answer,
    encode_summary_request,
    parse_chat_answer,
    parse_chat_request,
    parse_counters,
    parse_rewrite_answer,
    parse_rewrite_request,
    parse_summary_answer,
    parse_summary_request,
)

LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
MESSAGE = {"from": "Anna", "text": "Hello."}


def summary(**changes: Any) -> bytes:
    members = {"messages": [MESSAGE], "sentences": 2} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def rewriting(**changes: Any) -> bytes:
    members = {"text": "Hello.", "style": "formal"} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


@given(
    st.lists(st.builds(Message, LINES, TEXTS), min_size=1, max_size=5),
    st.integers(1, MAX_SENTENCES),
)
def test_a_summary_request_is_read_as_written(messages: list[Message], sentences: int) -> None:
    request = SummaryRequest(tuple(messages), sentences)
    assert parse_summary_request(encode_summary_request(request)) == request


@given(TEXTS.filter(bool), st.sampled_from(STYLES))
def test_a_rewrite_request_is_read_as_written(text: str, style: str) -> None:
    request = RewriteRequest(text, style)
    assert parse_rewrite_request(encode_rewrite_request(request)) == request


@given(st.lists(TEXTS, max_size=MAX_SENTENCES))
def test_answers_are_read_as_written(texts: list[str]) -> None:
    assert parse_summary_answer(encode_summary_answer(tuple(texts))) == tuple(texts)
    assert parse_rewrite_answer(encode_rewrite_answer(tuple(texts))) == tuple(texts)


def test_the_spelling_of_answers_is_fixed() -> None:
    assert encode_summary_answer(("ä",)) == '{"summary":["ä"]}'.encode()
    assert encode_rewrite_answer(()) == b'{"suggestions":[]}'
    assert encode_counters({"b": 1, "a": 2}) == b'{"a":2,"b":1}'


def test_the_largest_request_that_the_members_allow_is_within_the_limit_of_bytes() -> None:
    request = SummaryRequest((Message("s" * MAX_SENDER, "t" * MAX_TEXT),) * 30, MAX_SENTENCES)
    assert parse_summary_request(encode_summary_request(request)) == request


@pytest.mark.parametrize(
    ("changes", "what", "expected", "got"),
    [
        ({"messages": ...}, "request.messages", "the member", "missing"),
        ({"messages": []}, "request.messages", "1 to 1024 members", "^0$"),
        ({"messages": {}}, "request.messages", "an array", "an object"),
        (
            {"messages": [MESSAGE] * (MAX_MESSAGES + 1)},
            "request.messages",
            f"1 to {MAX_MESSAGES} members",
            f"^{MAX_MESSAGES + 1}$",
        ),
        ({"messages": ["hi"]}, "request.messages[0]", "an object", "a string"),
        ({"messages": [MESSAGE | {"x": 1}]}, "request.messages[0]", "no unknown member", "x"),
        ({"messages": [{"text": ""}]}, "request.messages[0].from", "the member", "missing"),
        ({"messages": [MESSAGE | {"text": 1}]}, "request.messages[0].text", "string", "another"),
        (
            {"messages": [MESSAGE | {"text": "a" * (MAX_TEXT + 1)}]},
            "request.messages[0].text",
            f"a string of 0 to {MAX_TEXT} characters",
            f"^{MAX_TEXT + 1}$",
        ),
        (
            {"messages": [MESSAGE | {"from": "a" * (MAX_SENDER + 1)}]},
            "request.messages[0].from",
            f"a string of 0 to {MAX_SENDER} characters",
            f"^{MAX_SENDER + 1}$",
        ),
        (
            {"messages": [MESSAGE | {"from": "a\nb"}]},
            "request.messages[0].from",
            "one line",
            r"^U\+000A$",
        ),
        ({"sentences": 0}, "request.sentences", f"1 to {MAX_SENTENCES}", "^0$"),
        ({"sentences": MAX_SENTENCES + 1}, "request.sentences", f"1 to {MAX_SENTENCES}", "^17$"),
        ({"sentences": True}, "request.sentences", "an integer", "a boolean"),
        ({"sentences": "2"}, "request.sentences", "an integer", "a string"),
        ({"instructions": "x"}, "request", "no unknown member", "instructions"),
    ],
)
def test_a_wrong_summary_request_is_refused(
    changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_summary_request(summary(**changes))


@pytest.mark.parametrize(
    ("changes", "what", "expected", "got"),
    [
        ({"text": ""}, "request.text", f"a string of 1 to {MAX_TEXT} characters", "^0$"),
        ({"text": "a" * (MAX_TEXT + 1)}, "request.text", "characters", f"^{MAX_TEXT + 1}$"),
        ({"text": None}, "request.text", "a string", "another type"),
        ({"text": ...}, "request.text", "the member", "missing"),
        ({"style": "rude"}, "request.style", "formal or friendlier or proofread", "rude"),
        ({"style": ...}, "request.style", "the member", "missing"),
        ({"model": "x"}, "request", "no unknown member", "model"),
    ],
)
def test_a_wrong_rewrite_request_is_refused(
    changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_rewrite_request(rewriting(**changes))


def turn(**changes: Any) -> bytes:
    members = {"messages": [MESSAGE], "turn": "Who?"} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


@given(
    st.lists(st.builds(Message, LINES, TEXTS), max_size=3),
    TEXTS.filter(bool),
)
def test_a_chat_request_is_read_as_written(messages: list[Message], text: str) -> None:
    request = ChatRequest(tuple(messages), text)
    assert parse_chat_request(encode_chat_request(request)) == request


@given(TEXTS)
def test_a_reply_is_read_as_written(text: str) -> None:
    assert parse_chat_answer(encode_chat_answer(text)) == text


def test_a_chat_request_may_bring_no_messages() -> None:
    assert encode_chat_request(ChatRequest((), "Who?")) == b'{"turn":"Who?"}'
    assert parse_chat_request(turn(messages=...)) == ChatRequest((), "Who?")
    assert parse_chat_request(turn(messages=[])) == ChatRequest((), "Who?")
    assert encode_chat_answer("ä") == '{"reply":"ä"}'.encode()


@pytest.mark.parametrize(
    ("changes", "what", "expected", "got"),
    [
        ({"turn": ...}, "request.turn", "the member", "missing"),
        ({"turn": ""}, "request.turn", f"a string of 1 to {MAX_TEXT} characters", "^0$"),
        ({"turn": "a" * (MAX_TEXT + 1)}, "request.turn", "characters", f"^{MAX_TEXT + 1}$"),
        ({"turn": ["Who?"]}, "request.turn", "a string", "another type"),
        ({"messages": None}, "request.messages", "an array", "."),
        (
            {"messages": [MESSAGE] * (MAX_MESSAGES + 1)},
            "request.messages",
            f"0 to {MAX_MESSAGES} members",
            f"^{MAX_MESSAGES + 1}$",
        ),
        ({"messages": [MESSAGE | {"role": "system"}]}, "request.messages[0]", "unknown", "role"),
        ({"state": {}}, "request", "no unknown member", "state"),
    ],
)
def test_a_wrong_chat_request_is_refused(
    changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_chat_request(turn(**changes))


@pytest.mark.parametrize(
    ("raw", "what", "expected"),
    [
        (b" " * (MAX_ANSWER + 1), "answer", f"at most {MAX_ANSWER} bytes"),
        (b'{"reply":["x"]}', "answer.reply", "a string"),
        (b'{"reply":"x","more":1}', "answer", "no unknown member"),
        (b"{}", "answer.reply", "the member"),
    ],
)
def test_a_wrong_reply_is_refused(raw: bytes, what: str, expected: str) -> None:
    with rejects(ParseError, what, expected=expected, got="."):
        parse_chat_answer(raw)


def test_the_text_of_a_message_is_in_no_error() -> None:
    for raw in (
        summary(messages=[{"from": "Anna", "text": ["canary"]}]),
        summary(messages=[{"from": "Anna", "text": "canary" * 2000}]),
        rewriting(text={"canary": 1}),
    ):
        parse = parse_rewrite_request if b"style" in raw else parse_summary_request
        with pytest.raises(ParseError) as caught:
            parse(raw)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "parse", [parse_chat_request, parse_rewrite_request, parse_summary_request]
)
def test_what_is_no_object_or_too_large_is_refused(parse: Any) -> None:
    with rejects(ParseError, "request", expected=f"at most {MAX_REQUEST} bytes", got="bytes"):
        parse(b" " * (MAX_REQUEST + 1))
    with rejects(ParseError, "request", expected="an object", got="an array"):
        parse(b"[]")
    with rejects(ParseError, "request", expected="each key once", got="text"):
        parse(b'{"text":1,"text":2}')
    with rejects(ParseError, "request", expected="Unicode text", got="a lone surrogate"):
        parse(b'{"text":"\\ud800"}')


@pytest.mark.parametrize(
    ("raw", "what", "expected"),
    [
        (b" " * (MAX_ANSWER + 1), "answer", f"at most {MAX_ANSWER} bytes"),
        (b'{"summary":[1]}', "answer.summary", "strings"),
        (b'{"summary":"x"}', "answer.summary", "an array"),
        (b"{}", "answer.summary", "the member"),
        (b'{"summary":[],"more":1}', "answer", "no unknown member"),
        (b'{"summary":[%s]}' % b",".join([b'""'] * 17), "answer.summary", "0 to 16 members"),
    ],
)
def test_a_wrong_answer_is_refused(raw: bytes, what: str, expected: str) -> None:
    with rejects(ParseError, what, expected=expected, got="."):
        parse_summary_answer(raw)


def test_counters_are_names_and_numbers() -> None:
    assert parse_counters(encode_counters({"summaries": 3})) == {"summaries": 3}
    with rejects(ParseError, "counters.a", expected="an integer", got="a string"):
        parse_counters(b'{"a":"text"}')
    with rejects(ParseError, "counters.a", expected="0 to", got="-1"):
        parse_counters(b'{"a":-1}')
    with rejects(ParseError, "counters.names", expected="strings like", got="A word"):
        parse_counters(b'{"A word":1}')


def test_what_no_request_can_say_is_not_written() -> None:
    with pytest.raises(ValueError, match="no request can say this"):
        encode_summary_request(SummaryRequest((), 1))
    with pytest.raises(ValueError, match="no request can say this"):
        encode_rewrite_request(RewriteRequest("", "formal"))
    with pytest.raises(ValueError, match="no request can say this"):
        encode_chat_request(ChatRequest((), ""))
