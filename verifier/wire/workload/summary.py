"""LexRank in whole numbers: the sentences of a conversation that say most of the others.

Source: G. Erkan and D. R. Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text
Summarization", JAIR 22 (2004), continuous LexRank (section 3.3), with the choices that
docs/spec/workload.md states. No floating point: the answer depends on the request alone, never on
the machine, the order of a dictionary, or the version of Python.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isqrt
from operator import mul

from verifier.errors import ParseError
from verifier.wire.service import SummaryRequest
from verifier.wire.workload.text import sentences, words

__all__ = ["ITERATIONS", "MAX_RANKED", "ONE", "TOO_ALIKE", "summarise"]

MAX_RANKED = 256
"""Most sentences of a request: the work grows with their square."""

ITERATIONS = 32
"""Rounds of the power iteration: 0.85 ** 32 of the first guess is left, less than one percent."""

ONE = 2**32
"""The fixed-point 1 of cosines; ranks have twice as many bits while they are computed."""

TOO_ALIKE = ONE * 7 // 10
"""A sentence whose cosine with a chosen one is at least this (0.7) is passed over."""

_JUMP, _FOLLOW, _ALL = 15, 85, 100  # percent: the damping of the paper
_LOG_STEPS = 1024  # logarithms are floor(1024 * log2(n))


@dataclass(frozen=True, slots=True)
class _Candidate:
    sender: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.sender}: {self.sentence}" if self.sender else self.sentence


def summarise(request: SummaryRequest) -> tuple[str, ...]:
    """The answer to ``request``: at most ``request.sentences`` lines, in the order of the messages.

    Each is a sentence as it stands in a message, behind its sender and a colon if the message has
    one. Fewer come back when the messages have fewer, or only near copies are left. Raises
    ParseError for more than ``MAX_RANKED`` sentences.
    """
    candidates = [
        _Candidate(message.sender, sentence)
        for message in request.messages
        for sentence in sentences(message.text)
    ]
    if len(candidates) > MAX_RANKED:
        expected = f"at most {MAX_RANKED} sentences"
        raise ParseError("request.messages", expected=expected, got=str(len(candidates)))
    cosines = _cosines([Counter(words(candidate.sentence)) for candidate in candidates])
    chosen = _choose(_ranks(cosines), cosines, request.sentences)
    return tuple(str(candidates[place]) for place in chosen)


def _cosines(counts: list[Counter[str]]) -> list[list[int]]:
    """tf-idf cosine of each pair, times ``ONE`` and rounded down; 1 of a sentence with itself."""
    frequency = Counter(word for count in counts for word in count)
    everything = _log2(len(counts) + 1)
    weight = {word: everything - _log2(number) for word, number in frequency.items()}
    vectors = [{word: times * weight[word] for word, times in c.items()} for c in counts]
    squares = [sum(value * value for value in vector.values()) for vector in vectors]
    matrix = [[ONE] * len(vectors) for _ in vectors]
    for row, first in enumerate(vectors):
        for column in range(row):
            second = vectors[column]
            dot = sum(value * second[word] for word, value in first.items() if word in second)
            cosine = isqrt(dot * dot * ONE * ONE // (squares[row] * squares[column]))
            matrix[row][column] = matrix[column][row] = cosine
    return matrix


def _ranks(cosines: list[list[int]]) -> list[int]:
    """The stationary distribution times ``ONE``, after ``ITERATIONS`` rounds from the even one.

    It is computed times ``ONE * ONE`` and rounded at the end, so that ranks that are equal by
    symmetry come out equal.
    """
    size = len(cosines)
    if not size:
        return []
    sums = [sum(row) for row in cosines]
    ranks = [ONE * ONE // size] * size
    jump = ONE * ONE * _JUMP // (_ALL * size)
    for _ in range(ITERATIONS):
        shares = [rank * _FOLLOW // (_ALL * total) for rank, total in zip(ranks, sums, strict=True)]
        ranks = [jump + sum(map(mul, shares, row)) for row in cosines]
    return [(rank + ONE // 2) // ONE for rank in ranks]


def _choose(ranks: list[int], cosines: list[list[int]], wanted: int) -> list[int]:
    """Places of the best sentences, in their order; of two equal ones the earlier comes first."""
    chosen: list[int] = []
    for place in sorted(range(len(ranks)), key=lambda place: (-ranks[place], place)):
        if len(chosen) == wanted:
            break
        if all(cosines[place][other] < TOO_ALIKE for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _log2(number: int) -> int:
    # Exact: 2**k <= number**1024 < 2**(k+1) says that k is floor(1024 * log2(number)).
    power: int = number**_LOG_STEPS
    return power.bit_length() - 1
