"""What a sentence is about: its words without those that carry no topic, each cut to its stem.

The stem is the same in every language of one script, so that nothing rests on the language being
guessed right. Nothing is cached: a cache would keep words of a session after its end.
Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from unicodedata import ucd_3_2_0

from verifier.wire.workload.languages import LANGUAGES, STOP, TINY
from verifier.wire.workload.text import words

__all__ = ["count_stops", "language_of", "most_stops", "plain", "stem", "terms", "topics"]

# Ending, and the fewest letters that must be left. Taken off again and again, in this order.
_LATIN = (
    *(("ing", 3), ("ung", 4), ("ed", 4), ("en", 4), ("er", 4), ("s", 3), ("e", 3)),
    *(("a", 4), ("i", 4), ("o", 4), ("t", 4), ("y", 4)),
)
_CYRILLIC = tuple(
    (ending, 3)
    for ending in (
        *("ть", "ет", "ит", "ут", "ют", "ат", "ят", "ем", "им", "ам", "ом", "ов", "ев"),
        *("\u0430\u0445", "их"),
        *(
            "ых",
            "ла",
            "ло",
            "ли",
            *"\u0430\u0435\u0438\u043e\u0443\u044b\u044d\u044e\u044f\u044c\u0439",
        ),
    )
)
_VOWELS = frozenset("aeiou")


def language_of(text: str, default: str = "") -> str:
    """The language with most stop words in ``text``, or ``default`` if it has none of them.

    Among equals ``default`` is taken if it is one, else the first of ``LANGUAGES``.
    """
    return most_stops(count_stops([text]), default)


def most_stops(counts: Counter[str], default: str) -> str:
    """The language of the highest count, as ``language_of`` decides."""
    most = max(counts.values(), default=0)
    best = [code for code in LANGUAGES if most and counts[code] == most]
    return default if default in best or not best else best[0]


def count_stops(texts: Iterable[str]) -> Counter[str]:
    """How many words of all texts are stop words, by language."""
    counts: Counter[str] = Counter()
    for text in texts:
        for word in words(text):
            counts.update(_spoken_in(word))
    return counts


def terms(sentence: str, language: str) -> tuple[str, ...]:
    """The stems of the words that are no stop words of ``language`` (or of any, if it is empty)."""
    stops = _PLAIN_STOP[language]
    return tuple(_stemmed(word) for word in map(plain, words(sentence)) if word not in stops)


def topics(sentence: str, language: str) -> tuple[str, ...]:
    """As ``terms``, without small talk."""
    passed = _PLAIN_STOP[language] | _PLAIN_TINY[language]
    return tuple(_stemmed(word) for word in map(plain, words(sentence)) if word not in passed)


def plain(word: str) -> str:
    """``word``, one that ``words`` gave, without its accents (U+0300 to U+036F after NFKD)."""
    if word.isascii():
        return word
    split = ucd_3_2_0.normalize("NFKD", word)
    return "".join(character for character in split if not "\u0300" <= character <= "\u036f")


def stem(word: str) -> str:
    """What words of one kin have in common; any other word as ``plain`` has it."""
    return _stemmed(plain(word))


def _stemmed(word: str) -> str:
    if "a" <= word[:1] <= "z":
        return _undoubled(_without(_LATIN, word))
    if "\u0430" <= word[:1] <= "\u044f":
        return _without(_CYRILLIC, word)
    is_definite = word.startswith("\u0627\u0644") and len(word) >= 5  # the Arabic article
    return word[2:] if is_definite else word


def _without(endings: tuple[tuple[str, int], ...], word: str) -> str:
    while True:
        for ending, fewest in endings:
            if word.endswith(ending) and len(word) - len(ending) >= fewest:
                word = word[: -len(ending)]
                break
        else:
            return word


def _undoubled(word: str) -> str:
    doubled = len(word) >= 4 and word[-1] == word[-2] and word[-1] not in _VOWELS
    return word[:-1] if doubled else word


def _spoken_in(word: str) -> tuple[str, ...]:
    return tuple(code for code in LANGUAGES if word in STOP[code])


def _plainly(table: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {code: frozenset(map(plain, table[code])) for code in LANGUAGES}


_PLAIN_STOP = _plainly(STOP)
_PLAIN_STOP[""] = frozenset().union(*_PLAIN_STOP.values())
_TINY_PLAIN = _plainly(TINY)
# "Ok", "lol" and "super" are said in every language.
_PLAIN_TINY = {code: _TINY_PLAIN[code] | _TINY_PLAIN["en"] for code in LANGUAGES}
_PLAIN_TINY[""] = _TINY_PLAIN["en"]
