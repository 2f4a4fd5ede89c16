"""Writing suggestions: other wordings of a text, made by the tables of ``english`` alone.

A pure function of the request, by the same rules as the summaries: no floating point, nothing
random, no table that changes with the version of Python. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from verifier.wire.service import Message, RewriteRequest, SummaryRequest
from verifier.wire.workload import english
from verifier.wire.workload.summary import MAX_RANKED, summarise
from verifier.wire.workload.text import is_abbreviation, sentences, words

__all__ = ["MAX_SUGGESTIONS", "rewrite"]

MAX_SUGGESTIONS = 3

# Latin letters with accents count as letters beside an English word, so that none is cut in two.
_LETTER = "0-9A-Za-z_\u00c0-\u024f"
_BEFORE = rf"(?<![{_LETTER}'\u2019-])"
_AFTER = rf"(?![{_LETTER}'\u2019-])"
_BLANKS = re.compile(r"[ \t]+")
_BEFORE_MARK = re.compile(r" +(?=[,.;:!?](?![,.;:!?)(0-9]))")
_AFTER_COMMA = re.compile(r"(?<=[A-Za-z])([,;])(?=[A-Za-z])")
_TWICE = re.compile(rf"{_BEFORE}([A-Za-z]{{2,30}}) \1{_AFTER}", re.ASCII | re.IGNORECASE)
_MEANT_TWICE = frozenset({"bye", "had", "ha", "no", "that", "very"})
_LONELY_I = re.compile(rf"{_BEFORE}i(?=[ ,.;:!?]|'(?:m|ll|ve|d)\b|$)", re.ASCII)
_START = re.compile(r"(?:^|(?<=[.!?])\s+|\n)[\"'(]*([a-z\u00e0-\u017f\u03ac-\u03ce\u0430-\u045f])")
_EMPTY_CLAUSE = re.compile(r"(?<=[.!?\n]) *[,;] *|^ *[,;] *|,(?= *[,.;:!?])")
_SHOUT = re.compile(r"!+")
_SMILEY = re.compile(r" ?(?:[:;]-?[)(DP]|<3|[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?)")
_APOSTROPHE = re.compile(r"(?<=[A-Za-z])\u2019(?=[A-Za-z])")
_OPEN_END = re.compile(rf"[{_LETTER}]\Z")


def rewrite(request: RewriteRequest) -> tuple[str, ...]:
    """The answer to ``request``: 0 to 3 suggestions, each other than the text and the others.

    Text that does not look English is given back with its spaces and capitals put in order, or, in
    the style ``shorter``, with fewer sentences.
    """
    is_english = not english.FUNCTION_WORDS.isdisjoint(words(request.text))
    wordings = _STYLES[request.style](request.text, is_english)
    distinct = dict.fromkeys(wording for wording in wordings if wording)
    return tuple(wording for wording in distinct if wording != request.text)[:MAX_SUGGESTIONS]


def _proofread(text: str, is_english: bool) -> tuple[str, ...]:
    if not is_english:
        return (_capitalised(_trimmed(text)),)
    spelt = _replaced(_APOSTROPHE.sub("'", text), _MISSPELT)
    return (_capitalised(_LONELY_I.sub("I", _once(_spaced(spelt)))),)


def _shorter(text: str, is_english: bool) -> tuple[str, ...]:
    (text,) = _proofread(text, is_english)
    core = _core(text)
    if not is_english:
        return (core,)
    brief = _tidied(_replaced(_replaced(text, _PLAIN), _WORDY))
    return brief, _replaced(brief, _CONTRACTED), _tidied(_replaced(core, _WORDY))


def _friendlier(text: str, is_english: bool) -> tuple[str, ...]:
    (text,) = _proofread(text, is_english)
    if not is_english:
        return (text,)
    soft = _tidied(_replaced(_replaced(text, _SOFTENED), _CONTRACTED))
    said = words(soft)
    greeted = soft if said[0] in english.GREETINGS else f"Hi! {soft}"
    is_thankful = not {"thank", "thanks", "thx"}.isdisjoint(said)
    return soft, greeted, greeted if is_thankful else f"{_ended(greeted)} Thank you!"


def _formal(text: str, is_english: bool) -> tuple[str, ...]:
    (text,) = _proofread(text, is_english)
    if not is_english:
        return (text,)
    calm = _SHOUT.sub(".", _SMILEY.sub("", text))
    full = _ended(_tidied(_replaced(_replaced(calm, _SHORTHAND), _EXPANDED)))
    return full, _tidied(_replaced(full, _STATELY))


_STYLES: Mapping[str, Callable[[str, bool], tuple[str, ...]]] = {
    "formal": _formal,
    "friendlier": _friendlier,
    "proofread": _proofread,
    "shorter": _shorter,
}


def _core(text: str) -> str:
    """The third of the sentences that says most of the others; the whole if there is but one."""
    found = sentences(text)
    if not 2 <= len(found) <= MAX_RANKED:
        return text
    wanted = min(16, (len(found) + 2) // 3)
    return " ".join(summarise(SummaryRequest((Message("", text),), wanted)))


def _tidied(text: str) -> str:
    return _capitalised(_EMPTY_CLAUSE.sub(" ", _spaced(text)).strip())


def _trimmed(text: str) -> str:
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.strip().split("\n"))


def _spaced(text: str) -> str:
    return _AFTER_COMMA.sub(r"\1 ", _BEFORE_MARK.sub("", _trimmed(text)))


def _once(text: str) -> str:
    return _TWICE.sub(lambda m: m[0] if m[1].lower() in _MEANT_TWICE else m[1], text)


def _capitalised(text: str) -> str:
    def begun(match: re.Match[str]) -> str:
        # "at 5 p.m. and later": neither the rule of the sentences nor this one starts anew there.
        before = text[max(0, match.start() - 12) : match.start()]
        if before.endswith(".") and is_abbreviation(before[:-1]):
            return match[0]
        return match[0][:-1] + _upper(match[1])

    return _START.sub(begun, text)


def _ended(text: str) -> str:
    return f"{text}." if _OPEN_END.search(text) else text


def _upper(letter: str) -> str:
    upper = letter.upper()
    return upper if len(upper) == 1 else letter


class _Table:
    """One table as one search, longest phrase first, each found whole and whatever its case."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        phrases = sorted(rules, key=lambda phrase: (-len(phrase), phrase))
        choices = "|".join(re.escape(phrase) for phrase in phrases)
        self.rules = rules
        self.pattern = re.compile(f"{_BEFORE}(?:{choices}){_AFTER}", re.ASCII | re.IGNORECASE)


_CONTRACTED, _EXPANDED = _Table(english.CONTRACTED), _Table(english.EXPANDED)
_MISSPELT, _SHORTHAND = _Table(english.MISSPELT), _Table(english.SHORTHAND)
_PLAIN, _WORDY = _Table(english.PLAIN), _Table(english.WORDY)
_SOFTENED, _STATELY = _Table(english.SOFTENED), _Table(english.STATELY)


def _replaced(text: str, table: _Table) -> str:
    def other(match: re.Match[str]) -> str:
        found = table.rules[match[0].lower()]
        # "Don't" is capitalised and so must be what replaces it; "I'm" is so by itself.
        return found[:1].upper() + found[1:] if match[0][0].isupper() else found

    return table.pattern.sub(other, text)
