"""The incognito chat: answers from what its own session was given, and from nothing else.

``chat`` is a pure function from a state and a request to the next state and a reply. The state is
all that is kept, so the chat lives exactly as long as whoever holds it. It quotes, and never
composes: every reply is a fixed phrase or lines that somebody wrote. Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from verifier.errors import ParseError
from verifier.wire.service import MAX_SENDER, ChatRequest, Message, SummaryRequest
from verifier.wire.workload.phrases import PHRASES, Phrases
from verifier.wire.workload.retrieval import Question, quote, retrieve
from verifier.wire.workload.summary import summarise
from verifier.wire.workload.terms import count_stops, language_of, most_stops, plain, terms
from verifier.wire.workload.text import cleaned, sentences, words

__all__ = [
    "MAX_LINES",
    "MAX_REMEMBERED",
    "MAX_STATE",
    "MAX_TURNS",
    "START",
    "ChatState",
    "chat",
]

MAX_TURNS = 64
"""Most turns of one session."""

MAX_REMEMBERED = 1024
"""Most messages that one session holds, the user's own statements included."""

MAX_STATE = 524_288
"""Most bytes of UTF-8 that the messages of one session have."""

MAX_LINES = 5
"""Most lines of a summary in a reply."""


@dataclass(frozen=True, slots=True)
class ChatState:
    """What one session was given.

    Its messages, how many turns it had, the terms of the last question, and the language of the
    last turn whose language could be told (empty before).
    """

    messages: tuple[Message, ...]
    turns: int
    asked: tuple[str, ...]
    language: str


START = ChatState(messages=(), turns=0, asked=(), language="")
"""The state of a new session."""


def chat(state: ChatState, request: ChatRequest) -> tuple[ChatState, str]:
    """The state after ``request``, and the reply. Raises ParseError when a limit is passed.

    After an error the state is still ``state``.
    """
    _require_room(state, request)
    state = replace(
        state,
        messages=state.messages + tuple(map(_clean, request.messages)),
        turns=state.turns + 1,
    )
    turn = " ".join(cleaned(request.turn).split())
    language = language_of(turn, state.language or _language_of_all(state.messages))
    state = replace(state, language=language)
    phrases = PHRASES.get(language, PHRASES["en"])
    spoken = tuple(map(plain, words(turn)))
    is_question = _is_question(turn, spoken, phrases, is_first=not state.asked)
    # "What did I miss?" asks for all of it; "I miss you" and "Who missed the bus?" do not.
    is_missing = is_question and not phrases.missing.isdisjoint(spoken)
    if not phrases.summing.isdisjoint(spoken) or (is_missing and len(terms(turn, language)) == 1):
        return state, _summary(state, phrases)
    if is_question:
        return _answered(state, turn, phrases)
    return _told(state, turn, spoken, phrases)


def _require_room(state: ChatState, request: ChatRequest) -> None:
    if state.turns >= MAX_TURNS:
        raise ParseError("request", expected=f"at most {MAX_TURNS} turns", got=f"{MAX_TURNS + 1}")
    # A turn may be remembered, so it is counted as if it were.
    count = len(state.messages) + len(request.messages) + 1
    if count > MAX_REMEMBERED:
        expected = f"at most {MAX_REMEMBERED} in a session, turns included"
        raise ParseError("request.messages", expected=expected, got=str(count))
    given = (*state.messages, *request.messages, Message("", request.turn))
    size = sum(len(f"{each.sender}{each.text}".encode("utf-8", "replace")) for each in given)
    if size > MAX_STATE:
        expected = f"at most {MAX_STATE} bytes in a session"
        raise ParseError("request.messages", expected=expected, got=f"{size}")


def _language_of_all(messages: Sequence[Message]) -> str:
    return most_stops(count_stops(message.text for message in messages), "")


def _clean(message: Message) -> Message:
    return Message(cleaned(message.sender).strip()[:MAX_SENDER], cleaned(message.text))


def _is_question(turn: str, spoken: tuple[str, ...], phrases: Phrases, *, is_first: bool) -> bool:
    if turn.rstrip("\"')]\u00bb\u201d\u2019 ").endswith(("?", "\uff1f", "\u061f")):
        return True
    if not spoken:
        return False
    # "and Ben" goes on with a question; before the first one there is nothing to go on with.
    return spoken[0] in phrases.asking or (not is_first and spoken[0] in phrases.more)


def _summary(state: ChatState, phrases: Phrases) -> str:
    try:
        lines = summarise(SummaryRequest(state.messages, MAX_LINES))
    except ParseError as error:
        # The limit is on sentences of the whole session, which no single request shows.
        raise ParseError("session", expected=error.expected, got=error.got) from None
    return "\n".join(lines) or phrases.unknown


def _answered(state: ChatState, turn: str, phrases: Phrases) -> tuple[ChatState, str]:
    question = Question.read(
        turn, state.language, phrases, senders=_senders(state.messages), asked=state.asked
    )
    state = replace(state, asked=question.terms)
    found = retrieve(question, state.messages)
    if not found and question.is_about_senders_only:
        return state, _said_by(state, question, phrases)
    lines = [quote(state.messages[place], phrases.you) for place in found]
    return state, "\n".join(lines) or phrases.unknown


def _said_by(state: ChatState, question: Question, phrases: Phrases) -> str:
    theirs = tuple(each for each in state.messages if question.is_by(each))
    return _summary(replace(state, messages=theirs), phrases) if theirs else phrases.unknown


def _told(
    state: ChatState, turn: str, spoken: tuple[str, ...], phrases: Phrases
) -> tuple[ChatState, str]:
    if not terms(turn, state.language) or len(spoken) <= 3:
        if not _THANKS.isdisjoint(spoken):
            return state, phrases.thanks
        if not _HELLO.isdisjoint(spoken):
            return state, phrases.greeting
    if not sentences(turn):
        return state, phrases.greeting if not state.messages else phrases.noted
    messages = (*state.messages, Message("", turn))
    return replace(state, messages=messages), phrases.noted


def _senders(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(Counter(message.sender for message in messages if message.sender))


_THANKS = frozenset({"danke", "gracias", "merci", "obrigada", "obrigado", "thank", "thanks", "thx"})
_HELLO = frozenset({"bonjour", "hallo", "hello", "hey", "hi", "hola", "oi", "ola", "salut"})
