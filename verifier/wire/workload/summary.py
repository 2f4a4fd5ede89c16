"""LexRank in whole numbers: the sentences of a conversation that say most of the others.

Source: G. Erkan and D. R. Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text
Summarization", JAIR 22 (2004), continuous LexRank (section 3.3), with the choices that
docs/spec/workload.md states. No floating point: the answer depends on the request alone, never on
the machine, the order of a dictionary, or the version of Python. The matrix of cosines is never
made: it is the product of the unit vectors with themselves, so the work grows with the words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from unicodedata import ucd_3_2_0

from verifier.errors import ParseError
from verifier.wire.service import Message, SummaryRequest
from verifier.wire.workload.languages import PLAN
from verifier.wire.workload.terms import count_stops, language_of, most_stops, topics
from verifier.wire.workload.text import cleaned, sentences, words

__all__ = [
    "ITERATIONS",
    "MAX_LINE",
    "MAX_RANKED",
    "ONE",
    "TOO_ALIKE",
    "ranks",
    "summarise",
    "unit_vectors",
]

MAX_RANKED = 2048
"""Most sentences of a request."""

MAX_LINE = 280
"""Most characters of a line of a summary, its sender not counted."""

ITERATIONS = 32
"""Rounds of the power iteration: 0.85 ** 32 of the first guess is left, less than one percent."""

ONE = 2**32
"""The fixed-point 1 of unit vectors; ranks have twice as many bits while they are computed."""

TOO_ALIKE = ONE * 6 // 10
"""A sentence whose cosine with a chosen one is at least this (0.6) is passed over."""

_JUMP, _FOLLOW, _ALL = 15, 85, 100  # percent: the damping of the paper
_LOG_STEPS = 1024  # logarithms are floor(1024 * log2(n))

# How much more, or less, a sentence counts, in percent.
_WITH_PLAN, _WITH_DIGIT, _ASKING, _LONG, _BRIEF = 150, 140, 70, 70, 70
_LONG_WORDS, _BRIEF_TOPICS = 40, 3

_ASKS = "?\uff1f\u061f"
_CLOSING = "\"')]\u00bb\u201d\u2019 "


@dataclass(frozen=True, slots=True)
class _Candidate:
    sender: str
    sentence: str
    language: str

    @property
    def line(self) -> str:
        short = _shortened(self.sentence)
        return f"{self.sender}: {short}" if self.sender else short


def summarise(request: SummaryRequest) -> tuple[str, ...]:
    """The answer to ``request``: at most ``request.sentences`` lines, in the order of the messages.

    Each is a sentence as it stands in a message (cut at ``MAX_LINE``), behind its sender and a
    colon if the message has one. Small talk is left out unless nothing else was said. Fewer come
    back when the messages have fewer, or only near copies are left. Raises ParseError for more
    than ``MAX_RANKED`` sentences.
    """
    candidates = _candidates(request.messages)
    said = [Counter(topics(each.sentence, each.language)) for each in candidates]
    kept = [place for place, counts in enumerate(said) if _says_something(counts)]
    if not kept:
        said = [Counter(words(each.sentence)) for each in candidates]
        kept = list(range(len(candidates)))
    vectors = unit_vectors([said[place] for place in kept])
    scores = [
        rank * _weight(candidates[place], said[place])
        for rank, place in zip(ranks(vectors), kept, strict=True)
    ]
    chosen = _choose(scores, vectors, request.sentences)
    return tuple(candidates[kept[place]].line for place in chosen)


def unit_vectors(counts: Sequence[Counter[str]]) -> list[dict[str, int]]:
    """tf-idf vectors of length ``ONE`` (each member rounded down), one for each of ``counts``."""
    frequency = Counter(word for count in counts for word in count)
    everything = _log2(len(counts) + 1)
    logarithms = {number: _log2(number) for number in set(frequency.values())}
    weight = {word: max(everything - logarithms[n], 1) for word, n in frequency.items()}
    vectors = []
    for count in counts:
        vector = {word: times * weight[word] for word, times in count.items()}
        square = sum(value * value for value in vector.values())
        vectors.append(
            {word: isqrt(value * value * ONE * ONE // square) for word, value in vector.items()}
        )
    return vectors


def ranks(vectors: Sequence[dict[str, int]]) -> list[int]:
    """The stationary distribution times ``ONE``, after ``ITERATIONS`` rounds from the even one.

    It is computed times ``ONE * ONE`` and rounded at the end, so that ranks that are equal by
    symmetry come out equal.
    """
    size = len(vectors)
    if not size:
        return []
    totals = _products(vectors, [ONE] * size)
    found = [ONE * ONE // size] * size
    jump = ONE * ONE * _JUMP // (_ALL * size)
    for _ in range(ITERATIONS):
        shares = [
            rank * ONE * _FOLLOW // (_ALL * total)
            for rank, total in zip(found, totals, strict=True)
        ]
        found = [jump + product for product in _products(vectors, shares)]
    return [(rank + ONE // 2) // ONE for rank in found]


def _products(vectors: Sequence[dict[str, int]], shares: Sequence[int]) -> list[int]:
    """For each vector the sum of its cosines with all, each times the share of the other."""
    pooled: dict[str, int] = {}
    for vector, share in zip(vectors, shares, strict=True):
        for word, value in vector.items():
            pooled[word] = pooled.get(word, 0) + value * share
    square = ONE * ONE
    return [sum(value * pooled[word] for word, value in v.items()) // square for v in vectors]


def _candidates(messages: Sequence[Message]) -> list[_Candidate]:
    texts = [cleaned(message.text) for message in messages]
    common = most_stops(count_stops(texts), "")
    candidates: list[_Candidate] = []
    for message, text in zip(messages, texts, strict=True):
        sender, language = cleaned(message.sender).strip(), language_of(text, common)
        candidates.extend(_Candidate(sender, each, language) for each in sentences(text))
    if len(candidates) > MAX_RANKED:
        expected = f"at most {MAX_RANKED} sentences"
        raise ParseError("request.messages", expected=expected, got=str(len(candidates)))
    return candidates


def _says_something(counts: Counter[str]) -> bool:
    return len(counts) >= 2


def _weight(candidate: _Candidate, counts: Counter[str]) -> int:
    """How much a sentence counts beside its rank."""
    spoken = words(candidate.sentence)
    weight = 100
    if not PLAN.get(candidate.language, frozenset()).isdisjoint(spoken):
        weight = weight * _WITH_PLAN // _ALL
    if any(ucd_3_2_0.category(character) == "Nd" for character in candidate.sentence):
        weight = weight * _WITH_DIGIT // _ALL
    if candidate.sentence.rstrip(_CLOSING).endswith(tuple(_ASKS)):
        weight = weight * _ASKING // _ALL
    if len(spoken) > _LONG_WORDS:
        weight = weight * _LONG // _ALL
    if len(counts) < _BRIEF_TOPICS:
        weight = weight * _BRIEF // _ALL
    return weight


def _choose(scores: list[int], vectors: list[dict[str, int]], wanted: int) -> list[int]:
    """Places of the best sentences, in their order; of two equal ones the earlier comes first."""
    chosen: list[int] = []
    for place in sorted(range(len(scores)), key=lambda place: (-scores[place], place)):
        if len(chosen) == wanted:
            break
        if all(_cosine(vectors[place], vectors[other]) < TOO_ALIKE for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _cosine(first: dict[str, int], second: dict[str, int]) -> int:
    return sum(value * second[word] for word, value in first.items() if word in second) // ONE


def _shortened(sentence: str) -> str:
    if len(sentence) <= MAX_LINE:
        return sentence
    end = sentence.rfind(" ", MAX_LINE // 2, MAX_LINE)
    if end < 0:
        end = MAX_LINE - 1
        while end and ucd_3_2_0.category(sentence[end])[0] == "M":
            end -= 1
    return f"{sentence[:end].rstrip()}\u2026"


def _log2(number: int) -> int:
    # Exact: 2**k <= number**1024 < 2**(k+1) says that k is floor(1024 * log2(number)).
    power: int = number**_LOG_STEPS
    return power.bit_length() - 1
