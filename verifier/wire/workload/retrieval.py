"""Finds the messages that answer a question: by shared rare words, by sender, by kind of question.

Whole numbers only. Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import ucd_3_2_0

from verifier.wire.service import Message
from verifier.wire.workload.phrases import ASKING_UNSPACED, KIN, LIGHT, TIMES, Phrases
from verifier.wire.workload.terms import language_of, plain, stem, terms, topics
from verifier.wire.workload.text import words

__all__ = ["MAX_FOUND", "MAX_QUOTE", "Question", "quote", "retrieve"]

MAX_FOUND = 3
"""Most messages that one answer quotes."""

MAX_QUOTE = 1024
"""Most characters of a message that is quoted."""

_NEEDED = 50  # percent of the weight of the question that a message must have more than
_CLOSE = 80  # percent of the best score that another message must have to be quoted too
_FOLLOWING = 3  # messages after a question in which its answer is looked for
_UPDATED = 8  # messages after an answer in which a later word on it is looked for
_SHARED = 2  # terms that a later word shares with the answer
_EXACT, _OF_KIN = 3, 2  # what a term counts that a message has, and one that it has by its kin
_LIGHT = frozenset(map(stem, LIGHT))
_GROUPS: dict[str, set[int]] = {}
for _number, _group in enumerate(KIN):
    for _word in _group:
        _GROUPS.setdefault(stem(_word), set()).add(_number)
_ASKS = ("?", "\uff1f", "\u061f")
_CLOSING = "\"')]\u00bb\u201d\u2019 \n\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    The ``terms`` of its topic, the ``senders`` whose words are wanted (any, if there are none), and
    whether it asks for a time or an amount.
    """

    terms: tuple[str, ...]
    senders: frozenset[str]
    wants_time: bool
    wants_amount: bool

    @classmethod
    def read(
        cls,
        turn: str,
        language: str,
        phrases: Phrases,
        *,
        senders: Sequence[str],
        asked: tuple[str, ...],
    ) -> Question:
        """Read a question; ``senders`` are those of the session, ``asked`` the last one's terms."""
        turn = ASKING_UNSPACED.sub(" ", turn)
        spoken = frozenset(plain(word) for word in words(turn))
        owners = Counter(word for each in set(senders) for word in set(map(plain, words(each))))
        named = frozenset(each for each in senders if _is_named(each, spoken, owners, language))
        names = {word for sender in named for word in map(stem, words(sender))}
        is_said = not phrases.saying.isdisjoint(spoken)
        passed = names | {stem(word) for word in phrases.asking | phrases.amount}
        if is_said:
            passed |= {stem(word) for word in phrases.saying}
        topic = tuple(dict.fromkeys(t for t in terms(turn, language) if t not in passed))
        goes_on = bool(asked) and not topic and (not is_said or not named)
        return cls(
            terms=asked if goes_on else (*topic, *(() if is_said else sorted(names))),
            senders=named if is_said or goes_on else frozenset(),
            wants_time=not phrases.when.isdisjoint(spoken),
            wants_amount=not phrases.amount.isdisjoint(spoken),
        )

    @property
    def is_about_senders_only(self) -> bool:
        """Whether somebody's messages are asked for, whatever their topic."""
        return bool(self.senders) and not self.terms

    def is_by(self, message: Message) -> bool:
        """Whether ``message`` is from a sender that is asked for; any is, if none is named."""
        return not self.senders or message.sender in self.senders


def retrieve(question: Question, messages: Sequence[Message]) -> tuple[int, ...]:
    """Places of the messages that answer, in their order: at most ``MAX_FOUND``, or none."""
    said = [_terms_of(message) for message in messages]
    weight = _weights(question.terms, said)
    needed = _EXACT * sum(weight.values()) * _NEEDED
    own = [_shared(weight, found) for found in said]
    fits = [found * 100 > needed for found in own]
    asks = [_asks(message) for message in messages]
    scores = [
        own[place] * _fit(question, message)
        if fits[place] and not asks[place] and question.is_by(message)
        else 0
        for place, message in enumerate(messages)
    ]
    found = _best(scores)
    if found:
        return _with_update(question, messages, found) if question.wants_time else found
    return _exchange(question, messages, [a and f for a, f in zip(asks, fits, strict=True)])


def quote(message: Message, you: str) -> str:
    """``message`` on one line behind its sender; ``you`` stands for the user."""
    text = " ".join(message.text.split())
    short = text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 1]}\u2026"
    return f"{message.sender or you}: {short}"


def _asks(message: Message) -> bool:
    return message.text.rstrip(_CLOSING).endswith(_ASKS)


def _terms_of(message: Message) -> frozenset[str]:
    text = f"{message.sender} {message.text}"
    return frozenset(terms(text, language_of(message.text)))


def _weights(asked: Sequence[str], said: Sequence[frozenset[str]]) -> dict[str, int]:
    """How much each term of a question counts: rare ones more, light verbs half."""
    frequency = Counter(term for found in said for term in found)
    weight = {}
    for term in asked:
        rarity = (2 * len(said) + 2).bit_length() - frequency[term].bit_length()
        is_known = bool(frequency[term]) or term in _GROUPS
        weight[term] = rarity * is_known if term in _LIGHT else 2 * rarity
    return weight


def _shared(weight: dict[str, int], found: frozenset[str]) -> int:
    groups = {number for term in found for number in _GROUPS.get(term, ())}
    total = 0
    for term, worth in weight.items():
        if term in found:
            total += _EXACT * worth
        elif not groups.isdisjoint(_GROUPS.get(term, ())):
            total += _OF_KIN * worth
    return total


def _fit(question: Question, message: Message) -> int:
    """How well the kind of ``message`` fits the kind of question, in percent."""
    has_digit = any(ucd_3_2_0.category(character) == "Nd" for character in message.text)
    if question.wants_time:
        has_time = has_digit or not TIMES.isdisjoint(map(plain, words(message.text)))
        return 100 if has_time else 0
    return 75 if question.wants_amount and not has_digit else 100


def _best(scores: Sequence[int]) -> tuple[int, ...]:
    best = max(scores, default=0)
    if not best:
        return ()
    close = [place for place, score in enumerate(scores) if score * 100 >= best * _CLOSE]
    return tuple(close[-MAX_FOUND:])


def _with_update(
    question: Question, messages: Sequence[Message], found: tuple[int, ...]
) -> tuple[int, ...]:
    """``found``, and the last that was said on it soon after: a time may have been changed."""
    last = found[-1]
    subject = _subject(messages[last])
    for place in reversed(range(last + 1, min(last + 1 + _UPDATED, len(messages)))):
        message = messages[place]
        is_told = not _asks(message) and question.is_by(message) and _fit(question, message) > 0
        if is_told and len(_subject(message) & subject) >= _SHARED:
            return (*found, place)[-MAX_FOUND:]
    return found


def _subject(message: Message) -> frozenset[str]:
    return frozenset(terms(message.text, language_of(message.text))) - _LIGHT


def _exchange(
    question: Question, messages: Sequence[Message], candidates: Sequence[bool]
) -> tuple[int, ...]:
    """The last question of the conversation that asks the same, and what was said right after."""
    for place in reversed(range(len(messages))):
        if not candidates[place]:
            continue
        after = range(place + 1, min(place + 1 + _FOLLOWING, len(messages)))
        replies = [
            other
            for other in after
            if not _asks(messages[other])
            and messages[other].sender != messages[place].sender
            and question.is_by(messages[other])
            and _fit(question, messages[other]) > 0
        ]
        telling = [other for other in replies if _says_something(messages[other])]
        chosen = telling or replies
        return (place, *chosen[: MAX_FOUND - 1]) if chosen else ()
    return ()


def _says_something(message: Message) -> bool:
    return bool(topics(message.text, language_of(message.text)))


def _is_named(sender: str, spoken: frozenset[str], owners: Counter[str], language: str) -> bool:
    # Any word of "Ana Silva" names her, unless another sender has it too or it is a stop word.
    return any(
        plain(word) in spoken and owners[plain(word)] == 1 and terms(word, language)
        for word in words(sender)
    )
