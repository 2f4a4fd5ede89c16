"""Cleans text and cuts it into sentences and words, for every script, by Unicode 3.2.

Python's own notion of a letter changes with its version; Unicode 3.2 (``unicodedata.ucd_3_2_0``)
is in every Python and never changes, so that guest and client cut alike. A character that is
younger counts as a letter and is not folded. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from unicodedata import ucd_3_2_0

__all__ = ["ABBREVIATIONS", "MAX_WORD", "cleaned", "is_abbreviation", "sentences", "words"]

MAX_WORD = 64
"""Most characters of a word that are looked at."""

_ABBREVIATIONS = """
approx bzw ca cf dept dr etc excl feat fig gen hr incl inkl jr max min misc mme mr mrs ms nr pag
prof resp sgt sr sra st str tel usw vgl vs
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
"""Words whose full stop ends no sentence; a single letter is one too."""

_YOUNG = "Cn"  # unassigned in Unicode 3.2
_FULL_WIDTH = "\u3002\uff01\uff1f\uff61"  # of Chinese and Japanese: end it whatever follows
_MARKS = ".!?\u2026\u0964\u0965\u061f\u06d4\u0589\u1362" + _FULL_WIDTH
_CLOSING = "\"')]}\u00bb\u201d\u2019\u300d\u300f\uff09\u3011"
# Each run of marks is tried once and never given back: else a long run costs quadratic time.
_END = re.compile(
    rf"(?<![{_MARKS}])[{_MARKS}]++[{re.escape(_CLOSING)}]*+(?=\s|$)"
    rf"|(?<![{_FULL_WIDTH}])[{_FULL_WIDTH}]++[{re.escape(_CLOSING)}]*+"
)
_LINE = re.compile(r"[\r\n\u2028\u2029]+")
_SPACE = re.compile(r"\s+")

_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Controls, surrogates, soft hyphen, fillers, zero width, direction (bidi), tags, specials.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e"
    "\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)
# A joiner shapes two letters that are not ASCII; anywhere else, or twice, it only hides something.
_JOINER = re.compile(
    "[\u200c\u200d]{2,}|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_SELECTORS = re.compile("(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+")
_MARKS_ON_MARKS = re.compile("(?<=[\u0300-\u036f]{3})[\u0300-\u036f]+")

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
    (0x20000, 0x2FFFF),
)  # scripts that put no space between words: their tokens are pairs of neighbours


_PICTURES = ((0xFE00, 0xFE0F), (0x1F000, 0x1FAFF))  # variation selectors, emoji: no letters


def cleaned(text: str) -> str:
    """``text`` without what cannot be seen; each end of a line is a line feed, tabs stay.

    Controls, direction controls, zero-width characters, tags, fillers and lone surrogates go, and
    so do joiners but single ones between letters outside ASCII, variation selectors after the
    first, and combining marks after the third.
    """
    seen = _HIDDEN.sub("", _LINE_END.sub("\n", text))
    return _MARKS_ON_MARKS.sub("", _SELECTORS.sub("", _JOINER.sub("", seen)))


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of ``text``, in their order, each on one line with single spaces.

    A line ends a sentence. So does a mark of the end (in many scripts) before white space, unless
    it is the full stop of an abbreviation or the next word begins in lower case. A sentence has at
    least one word.
    """
    return tuple(
        piece
        for line in _LINE.split(text)
        for piece in _split(_SPACE.sub(" ", line).strip())
        if words(piece)
    )


def words(sentence: str) -> tuple[str, ...]:
    """The words of ``sentence``: folded runs of letters, marks and digits (NFKC of Unicode 3.2).

    Of scripts that put no space between words, every pair of neighbouring characters is a word,
    and a character that stands alone is one. A word ends after ``MAX_WORD`` characters: what
    comes then is passed over.
    """
    found: list[str] = []
    run: list[str] = []
    unspaced = False
    for character in _folded(sentence):
        kind = _kind(character)
        if run and (kind == "gap" or (kind == "unspaced") is not unspaced):
            found.extend(_tokens(run, unspaced=unspaced))
            run = []
        if kind != "gap":
            run.append(character)
            unspaced = kind == "unspaced"
    found.extend(_tokens(run, unspaced=unspaced))
    return tuple(found)


def is_abbreviation(before: str) -> bool:
    """Whether ``before``, the text up to a full stop, ends in an abbreviation or one letter."""
    letters = 0
    # No abbreviation is longer than eight letters: the search stops there.
    while letters < min(len(before), 9) and ucd_3_2_0.category(before[-1 - letters])[0] == "L":
        letters += 1
    last = before[len(before) - letters :]
    return letters == 1 or last.lower() in ABBREVIATIONS


def _split(line: str) -> list[str]:
    pieces, start = [], 0
    for match in _END.finditer(line):
        if _ends_sentence(line, start, match):
            pieces.append(line[start : match.end()].strip())
            start = match.end()
    return [*pieces, line[start:].strip()]


def _ends_sentence(line: str, start: int, match: re.Match[str]) -> bool:
    if not match[0].startswith(".") or match[0].startswith(".."):
        return True
    following = line[match.end() : match.end() + 2].strip()[:1]
    if following and ucd_3_2_0.category(following) == "Ll":
        return False
    return not is_abbreviation(line[start : match.start()])


def _folded(text: str) -> str:
    composed = ucd_3_2_0.normalize("NFKC", text)
    return "".join(_fold(character) for character in composed)


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    return character if ucd_3_2_0.category(character) == _YOUNG else character.casefold()


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    if any(first <= ord(character) <= last for first, last in _PICTURES):
        return "gap"
    category = ucd_3_2_0.category(character)
    if category[0] in "LM" and any(first <= ord(character) <= last for first, last in _UNSPACED):
        return "unspaced"
    return "word" if category[0] in "LMN" or category == _YOUNG else "gap"


def _tokens(run: list[str], *, unspaced: bool) -> list[str]:
    if not run or not unspaced or len(run) == 1:
        return ["".join(run[:MAX_WORD])] if run else []
    return [first + second for first, second in pairwise(run)]
