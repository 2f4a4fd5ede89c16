"""The requests that a CVM answers inside an attested session, and its answers, as JSON.

Both ends use this module, so that one strict reader serves them. Messages are foreign text: any
Unicode, of limited length, never looked at for instructions. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from verifier.errors import ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = [
    "CHAT_PATH",
    "COUNTERS_PATH",
    "JSON_MEDIA_TYPE",
    "MAX_ANSWER",
    "MAX_MESSAGES",
    "MAX_REQUEST",
    "MAX_SENDER",
    "MAX_SENTENCES",
    "MAX_TEXT",
    "REWRITE_PATH",
    "STYLES",
    "SUMMARY_PATH",
    "ChatRequest",
    "Message",
    "RewriteRequest",
    "SummaryRequest",
    "encode_chat_answer",
    "encode_chat_request",
    "encode_counters",
    "encode_rewrite_answer",
    "encode_rewrite_request",
    "encode_summary_answer",
    "encode_summary_request",
    "parse_chat_answer",
    "parse_chat_request",
    "parse_counters",
    "parse_rewrite_answer",
    "parse_rewrite_request",
    "parse_summary_answer",
    "parse_summary_request",
]

SUMMARY_PATH = "/v1/summary"
REWRITE_PATH = "/v1/rewrite"
CHAT_PATH = "/v1/chat"
COUNTERS_PATH = "/v1/counters"
JSON_MEDIA_TYPE = "application/json"

STYLES = ("formal", "friendlier", "proofread", "shorter")

MAX_REQUEST = 262_144
"""Most bytes of the body of a request."""

MAX_ANSWER = 4 * MAX_REQUEST
"""Most bytes of the body of an answer, as of the largest bucket that it is sealed in."""

MAX_MESSAGES = 512
"""Most messages of one request."""

MAX_SENDER = 64
"""Most characters of a sender's name."""

MAX_TEXT = 8192
"""Most characters of a text."""

MAX_SENTENCES = 16
"""Most sentences of a summary."""

_COUNTER = r"[a-z][a-z_]{0,63}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: ``sender`` (0 to 64 characters, one line) wrote ``text`` (0 to 8192)."""

    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """Summarise 1 to 512 ``messages`` in at most ``sentences`` (1 to 16)."""

    messages: tuple[Message, ...]
    sentences: int


@dataclass(frozen=True, slots=True)
class RewriteRequest:
    """Suggest other wordings of ``text`` (1 to 8192 characters) in ``style``, one of ``STYLES``."""

    text: str
    style: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One ``turn`` (1 to 8192 characters) of a chat, with 0 to 512 further ``messages``."""

    messages: tuple[Message, ...]
    turn: str


def parse_summary_request(raw: bytes) -> SummaryRequest:
    """Read ``{"messages": [{"from", "text"}, ...], "sentences"}``. Raises ParseError."""
    document = _document(raw, "request", MAX_REQUEST)
    request = SummaryRequest(
        messages=_messages(document, fewest=1),
        sentences=document.integer("sentences", minimum=1, maximum=MAX_SENTENCES),
    )
    document.end()
    return request


def encode_summary_request(request: SummaryRequest) -> bytes:
    """Write a request, so that ``parse_summary_request`` gives back the same; else ValueError."""
    messages = _written(request.messages)
    raw = rfc8785.dumps({"messages": messages, "sentences": request.sentences})
    _require_readable(lambda: parse_summary_request(raw))
    return raw


def parse_rewrite_request(raw: bytes) -> RewriteRequest:
    """Read ``{"style", "text"}``. Raises ParseError."""
    document = _document(raw, "request", MAX_REQUEST)
    request = RewriteRequest(
        text=_text(document, "text", fewest=1, most=MAX_TEXT),
        style=document.choice("style", STYLES),
    )
    document.end()
    return request


def encode_rewrite_request(request: RewriteRequest) -> bytes:
    """Write a request, so that ``parse_rewrite_request`` gives back the same; else ValueError."""
    raw = rfc8785.dumps({"style": request.style, "text": request.text})
    _require_readable(lambda: parse_rewrite_request(raw))
    return raw


def parse_chat_request(raw: bytes) -> ChatRequest:
    """Read ``{"messages"?: [{"from", "text"}, ...], "turn"}``. Raises ParseError."""
    document = _document(raw, "request", MAX_REQUEST)
    request = ChatRequest(
        messages=_messages(document, fewest=0) if document.has("messages") else (),
        turn=_text(document, "turn", fewest=1, most=MAX_TEXT),
    )
    document.end()
    return request


def encode_chat_request(request: ChatRequest) -> bytes:
    """Write a request, so that ``parse_chat_request`` gives back the same; else ValueError."""
    members: dict[str, Any] = {"turn": request.turn}
    if request.messages:
        members["messages"] = _written(request.messages)
    raw = rfc8785.dumps(members)
    _require_readable(lambda: parse_chat_request(raw))
    return raw


def encode_summary_answer(summary: tuple[str, ...]) -> bytes:
    """``{"summary": [...]}`` in its canonical form (RFC 8785)."""
    return rfc8785.dumps({"summary": list(summary)})


def parse_summary_answer(raw: bytes) -> tuple[str, ...]:
    """Read what ``encode_summary_answer`` writes. Raises ParseError."""
    return _texts(raw, "summary")


def encode_rewrite_answer(suggestions: tuple[str, ...]) -> bytes:
    """``{"suggestions": [...]}`` in its canonical form (RFC 8785)."""
    return rfc8785.dumps({"suggestions": list(suggestions)})


def parse_rewrite_answer(raw: bytes) -> tuple[str, ...]:
    """Read what ``encode_rewrite_answer`` writes. Raises ParseError."""
    return _texts(raw, "suggestions")


def encode_chat_answer(reply: str) -> bytes:
    """``{"reply": "..."}`` in its canonical form (RFC 8785)."""
    return rfc8785.dumps({"reply": reply})


def parse_chat_answer(raw: bytes) -> str:
    """Read what ``encode_chat_answer`` writes. Raises ParseError."""
    document = _document(raw, "answer", MAX_ANSWER)
    reply = _text(document, "reply", fewest=0, most=MAX_ANSWER)
    document.end()
    return reply


def encode_counters(counters: Mapping[str, int]) -> bytes:
    """Names to numbers, in the canonical form (RFC 8785)."""
    return rfc8785.dumps(dict(counters))


def parse_counters(raw: bytes) -> dict[str, int]:
    """Read names (lower-case letters and ``_``) and numbers, and nothing else: ParseError."""
    document = _document(raw, "counters", MAX_ANSWER)
    names = document.names()
    JsonObject({"names": list(names)}, what="counters").texts("names", pattern=_COUNTER)
    return {name: document.integer(name) for name in names}


def _document(raw: bytes, what: str, most: int) -> JsonObject:
    if len(raw) > most:
        raise ParseError(what, expected=f"at most {most} bytes", got=f"{len(raw)} bytes")
    return JsonObject(parse_json(raw, what=what), what=what)


def _messages(document: JsonObject, *, fewest: int) -> tuple[Message, ...]:
    items = document.objects("messages", minimum=fewest)
    if len(items) > MAX_MESSAGES:
        expected = f"{fewest} to {MAX_MESSAGES} members"
        raise document.refuse("messages", expected=expected, got=str(len(items)))
    return tuple(_message(item) for item in items)


def _written(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"from": item.sender, "text": item.text} for item in messages]


def _message(item: JsonObject) -> Message:
    sender = _text(item, "from", fewest=0, most=MAX_SENDER)
    control = _CONTROL.search(sender)
    if control is not None:
        got = f"U+{ord(control[0]):04X}"
        raise item.refuse("from", expected="one line, no control character", got=got)
    message = Message(sender, _text(item, "text", fewest=0, most=MAX_TEXT))
    item.end()
    return message


def _text(document: JsonObject, name: str, *, fewest: int, most: int) -> str:
    # Not JsonObject.text, whose error would quote what a user wrote.
    value: Any = document.take(name)
    expected = f"a string of {fewest} to {most} characters"
    if type(value) is not str:
        raise document.refuse(name, expected=expected, got="another type")
    if not fewest <= len(value) <= most:
        raise document.refuse(name, expected=expected, got=f"{len(value)}")
    return value


def _texts(raw: bytes, name: str) -> tuple[str, ...]:
    document = _document(raw, "answer", MAX_ANSWER)
    values = document.array(name, maximum=MAX_SENTENCES)
    for value in values:
        if type(value) is not str:
            raise document.refuse(name, expected="strings", got="another type")
    document.end()
    return values


def _require_readable(parse: Callable[[], object]) -> None:
    try:
        parse()
    except ParseError as error:
        message = f"no request can say this: {error}"
        raise ValueError(message) from error
