"""The workloads behind one interface, and the session that is all that is kept."""

from __future__ import annotations

import pytest

from tests.verifier.wire.workload.test_summary import CHAT as CONVERSATION
from verifier.errors import ParseError
from verifier.wire.service import (
    ChatRequest,
    RewriteRequest,
    SummaryRequest,
    encode_chat_request,
    encode_rewrite_request,
    encode_summary_request,
    parse_chat_answer,
    parse_rewrite_answer,
    parse_summary_answer,
)
from verifier.wire.workload.backend import CHAT, REWRITE, SUMMARY, WORKLOADS, Session
from verifier.wire.workload.chat import START
from verifier.wire.workload.rewrite import rewrite
from verifier.wire.workload.summary import summarise


def test_each_answers_as_its_function() -> None:
    session = Session()
    answer = SUMMARY.answer(encode_summary_request(CONVERSATION), session)
    assert parse_summary_answer(answer) == summarise(CONVERSATION)
    request = RewriteRequest("i dont know", "formal")
    answer = REWRITE.answer(encode_rewrite_request(request), session)
    assert parse_rewrite_answer(answer) == rewrite(request)
    assert session.chat == START


def test_a_chat_lives_in_its_session() -> None:
    first, second = Session(), Session()
    CHAT.answer(encode_chat_request(ChatRequest((), "The key is under the mat.")), first)
    question = encode_chat_request(ChatRequest((), "Where is the key?"))
    assert parse_chat_answer(CHAT.answer(question, first)) == "You: The key is under the mat."
    assert "mat" not in parse_chat_answer(CHAT.answer(question, second))


def test_after_an_error_the_session_is_as_it_was() -> None:
    session = Session()
    CHAT.answer(encode_chat_request(ChatRequest((), "The key is under the mat.")), session)
    before = session.chat
    with pytest.raises(ParseError):
        CHAT.answer(b'{"turn":""}', session)
    assert session.chat is before


def test_names_paths_and_requests() -> None:
    assert [each.name for each in WORKLOADS] == ["summaries", "rewrites", "chats"]
    assert [each.path for each in WORKLOADS] == ["/v1/summary", "/v1/rewrite", "/v1/chat"]
    assert [each.request for each in WORKLOADS] == [SummaryRequest, RewriteRequest, ChatRequest]
