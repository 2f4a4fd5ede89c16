"""Which messages answer a question, and which do not."""

from __future__ import annotations

import pytest

from verifier.wire.service import Message
from verifier.wire.workload.phrases import KIN, LIGHT, PHRASES, TIMES
from verifier.wire.workload.retrieval import MAX_FOUND, Question, quote, retrieve
from verifier.wire.workload.terms import plain
from verifier.wire.workload.text import words

SENDERS = ("Ana Silva", "Ana Costa", "Ben", "Will")


def read(turn: str, *asked: str) -> Question:
    return Question.read(turn, "en", PHRASES["en"], senders=SENDERS, asked=asked)


@pytest.mark.parametrize(
    ("turn", "terms", "senders"),
    [
        ("Who brings the cake?", ("bring", "cak"), set()),
        ("What did Ben say about the cake?", ("cak",), {"Ben"}),
        ("What did Silva say?", (), {"Ana Silva"}),
        ("What did Ana say about tea?", ("tea",), set()),
        ("When does Ben arrive?", ("arriv", "ben"), set()),
        ("What will they say about tea?", ("tea",), set()),
    ],
)
def test_questions(turn: str, terms: tuple[str, ...], senders: set[str]) -> None:
    question = read(turn)
    assert set(terms) <= set(question.terms)
    assert question.senders == senders


def test_many_senders_are_each_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else as many senders as a session may have would keep a CVM busy for minutes."""
    read_texts: list[str] = []

    def counting(text: str) -> tuple[str, ...]:
        read_texts.append(text)
        return words(text)

    monkeypatch.setattr("verifier.wire.workload.retrieval.words", counting)
    senders = tuple(f"{number} Family{number} Same" for number in range(300))
    turn = "What did Family7 say about the Same cake?"
    question = Question.read(turn, "en", PHRASES["en"], senders=senders, asked=())
    assert question.senders == {senders[7]}
    assert len(read_texts) < 3 * len(senders)


def test_kinds() -> None:
    assert read("When is it?").wants_time
    assert read("How much is it?").wants_amount
    assert not read("Who is it?").wants_time
    assert read("and Ben?", "cak") == Question(
        terms=("cak",), senders=frozenset({"Ben"}), wants_time=False, wants_amount=False
    )


def found(turn: str, *said: tuple[str, str]) -> list[str]:
    messages = [Message(*each) for each in said]
    senders = tuple(dict.fromkeys(message.sender for message in messages))
    question = Question.read(turn, "en", PHRASES["en"], senders=senders, asked=())
    return [quote(messages[place], "You") for place in retrieve(question, messages)]


def test_a_message_needs_more_than_half_of_the_question() -> None:
    assert found("Who paints the fence green?", ("A", "The fence is old.")) == []
    assert found("Who paints the fence?", ("A", "I paint the fence.")) == ["A: I paint the fence."]


def test_a_time_is_asked_for_and_given() -> None:
    said = (("A", "The party will be fun."), ("B", "The party is on Monday."))
    assert found("When is the party?", *said) == ["B: The party is on Monday."]
    assert found("When is the party?", said[0]) == []


def test_a_changed_time_is_quoted_too() -> None:
    said = (
        ("A", "The party starts at 7 in the garden."),
        ("B", "Nice"),
        ("A", "Rain! The garden is wet, party at 8 in the house."),
    )
    assert found("When does the party start?", *said) == [
        "A: The party starts at 7 in the garden.",
        "A: Rain! The garden is wet, party at 8 in the house.",
    ]


def test_the_replies_to_the_same_question_are_quoted() -> None:
    said = (("A", "Who brings the cake?"), ("B", "ok"), ("A", "Hm"), ("C", "My brother does."))
    assert found("who brings the cake", *said) == ["A: Who brings the cake?", "C: My brother does."]
    assert found("who brings the cake", said[0], ("A", "Anybody")) == []
    assert found("who brings the cake", said[0], ("B", "ok")) == [
        "A: Who brings the cake?",
        "B: ok",
    ]


def test_the_last_ones_are_quoted() -> None:
    said = [("A", f"The cake is number {n}.") for n in range(6)]
    assert found("Which cake?", *said) == [f"A: The cake is number {n}." for n in range(3, 6)]
    assert MAX_FOUND == 3


def test_quote() -> None:
    assert quote(Message("", "a\n\tb "), "You") == "You: a b"


def test_the_tables_are_spelt_as_they_are_looked_up() -> None:
    for phrases in PHRASES.values():
        for kind in ("asking", "when", "amount", "saying", "summing", "missing", "more"):
            for word in getattr(phrases, kind):
                assert (word,) == tuple(map(plain, words(word)))
        assert len({phrases.noted, phrases.unknown, phrases.greeting, phrases.thanks}) == 4
    for word in TIMES:
        assert (word,) == tuple(map(plain, words(word)))
    for word in (*LIGHT, *(word for group in KIN for word in group)):
        assert words(word) == (word,)
    assert all(len(group) > 2 for group in KIN)
