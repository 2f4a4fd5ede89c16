"""Writing suggestions: other wordings of a text, made by the tables of ``english`` alone.

A pure function of the request, by the same rules as the summaries: no floating point, nothing
random, no table that changes with the version of Python. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from verifier.wire.service import MAX_SENTENCES, Message, RewriteRequest, SummaryRequest
from verifier.wire.workload import english
from verifier.wire.workload.protected import HELD, Protected, protect
from verifier.wire.workload.summary import MAX_LINE, MAX_RANKED, summarise
from verifier.wire.workload.terms import language_of
from verifier.wire.workload.text import ABBREVIATIONS, cleaned, is_abbreviation, sentences, words

__all__ = ["MAX_SUGGESTIONS", "rewrite"]

MAX_SUGGESTIONS = 3

_FEWEST_FOR_CORE = 4  # sentences: of fewer, none can be spared

# Latin letters with accents count as letters beside an English word, so that none is cut in two;
# so does whatever stands for a part that is protected.
_LETTER = f"0-9A-Za-z_\u00c0-\u024f{HELD}"
_BEFORE = rf"(?<![{_LETTER}'-])"
_AFTER = rf"(?![{_LETTER}'-])"
_BLANKS = re.compile(r"[ \t]+")
_BEFORE_MARK = re.compile(r" +(?=[,.;:!?](?![,.;:!?)(0-9]))")
_BEFORE_LOW_MARK = re.compile(r" +(?=[,.](?![,.;:!?)(0-9]))")
_AFTER_COMMA = re.compile(r"(?<=[A-Za-z])([,;])(?=[A-Za-z])")
_TWICE = re.compile(rf"{_BEFORE}([A-Za-z]{{2,30}}) \1{_AFTER}", re.ASCII | re.IGNORECASE)
_MEANT_TWICE = frozenset({"bye", "had", "ha", "no", "so", "that", "very"})
_LONELY_I = re.compile(rf"{_BEFORE}i(?=[ ,;:!?]|\.(?!e)|'(?:m|ll|ve|d)\b|$)", re.ASCII)
_START = re.compile(
    "(?:^|(?<=[.!?])\\s+|(?<=[.!?])\\n|\n\n)[\"'(\u00a1\u00bf]*"
    "([a-z\u00e0-\u017f\u03ac-\u03ce\u0430-\u045f])"
)
_EMPTY_CLAUSE = re.compile(r"(?<=[.!?\n]) *[,;] *|^ *[,;] *|,(?= *[,.;:!?])")
_SHOUTED_QUESTION = re.compile(r"[!?]*\?[!?]*")
_SHOUT = re.compile(r"!+")
_SMILEY = re.compile(r" ?(?:[:;]-?[)(DP]|<3|[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?)")
_UNENDED_THANKS = re.compile(r"(?<=[a-z]) (?=thank you[.!]?$)")
_APOSTROPHE = re.compile(r"(?<=[A-Za-z])\u2019(?=[A-Za-z])")
_OPEN_END = re.compile(r"[0-9A-Za-z_\u00c0-\u024f]\Z")
_INVERTED = re.compile(
    rf"{_BEFORE}(are|could|did|do|does|has|have|is|should|was|were|would)n't "
    rf"(i|you|he|she|it|we|they)"
    rf"{_AFTER}",
    re.ASCII | re.IGNORECASE,
)
_REQUEST = re.compile(
    rf"{_BEFORE}(?:please|pls|(?:can|could|would|will) you|you could){_AFTER}",
    re.ASCII | re.IGNORECASE,
)
_OPENED = re.compile("^(Hello|All right) (?=[a-z])")
_ASKED = re.compile(r"((?:could you please|may I ask why)[^.!?\n]*)\.", re.ASCII | re.IGNORECASE)


def rewrite(request: RewriteRequest) -> tuple[str, ...]:
    """The answer to ``request``: 0 to 3 suggestions, each other than the text and the others.

    Quotations, code, links, numbers and names are as they were, and in their order. Text that does
    not look English is given back with its spaces and capitals put in order, or, in the style
    ``shorter``, with fewer sentences. What cannot be seen is left out.
    """
    held = protect(cleaned(request.text), free=_FREE)
    draft = _Draft(held, _language(held.text))
    texts = _STYLES[request.style](draft)
    put_back = held.some_restored if request.style == "shorter" else held.restored
    distinct = dict.fromkeys(wording for wording in map(put_back, texts) if wording)
    return tuple(wording for wording in distinct if wording != request.text)[:MAX_SUGGESTIONS]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A text whose parts are protected; ``language`` is empty if it is none that is known."""

    held: Protected
    language: str

    @property
    def is_english(self) -> bool:
        return self.language == "en"

    def ended(self, text: str) -> str:
        is_open = _OPEN_END.search(text) or self.held.ends_in_a_word(text)
        return f"{text}." if is_open else text


def _language(text: str) -> str:
    found = language_of(text)
    return found or ("en" if not _ENGLISH_ONLY.isdisjoint(words(text)) else "")


def _proofread(draft: _Draft) -> tuple[str, ...]:
    text = draft.held.text
    if not draft.is_english:
        return (_capitalised(_unspaced(_trimmed(text), draft.language), draft.language),)
    spelt = _replaced(_APOSTROPHE.sub("'", text), _MISSPELT)
    return (_capitalised(_LONELY_I.sub("I", _once(_spaced(spelt))), "en"),)


def _shorter(draft: _Draft) -> tuple[str, ...]:
    (text,) = _proofread(draft)
    core = _core(text)
    if not draft.is_english:
        return (core,) if len(core) < len(draft.held.text) else ()
    brief = _tidied(_replaced(_replaced(text, _PLAIN), _WORDY))
    wordings = (brief, _replaced(brief, _CONTRACTED), _tidied(_replaced(core, _WORDY)))
    return tuple(wording for wording in wordings if len(wording) < len(draft.held.text))


def _friendlier(draft: _Draft) -> tuple[str, ...]:
    (text,) = _proofread(draft)
    if not draft.is_english:
        return (text,)
    polite = _replaced(_replaced(text, _SOFTENED), _SOONER)
    soft = _tidied(_replaced(polite, _CONTRACTED))
    if polite != text:
        soft = _ASKED.sub(r"\1?", draft.ended(soft))
    said = words(soft)
    greeted = soft if not said or said[0] in english.GREETINGS else f"Hi! {soft}"
    is_thanked = not {"thank", "thanks", "thx"}.isdisjoint(said)
    is_request = _REQUEST.search(soft) is not None
    return soft, _thanked(draft.ended(soft)) if is_request and not is_thanked else soft, greeted


def _thanked(text: str) -> str:
    return f"{text}{' ' if text.endswith(('.', '!', '?')) else _LINE_FEED}Thank you!"


def _formal(draft: _Draft) -> tuple[str, ...]:
    (text,) = _proofread(draft)
    if not draft.is_english:
        return (text,)
    calm = _SHOUT.sub(".", _SHOUTED_QUESTION.sub("?", _SMILEY.sub("", text)))
    said = _INVERTED.sub(r"\1 \2 not", _replaced(calm, _SHORTHAND))
    full = draft.ended(_tidied(_replaced(said, _EXPANDED)))
    full = _capitalised(_UNENDED_THANKS.sub(". ", full), "en")
    wordings = (full, _tidied(_replaced(full, _STATELY)))
    return tuple(_OPENED.sub(r"\1, ", wording) for wording in wordings)


_STYLES: Mapping[str, Callable[[_Draft], tuple[str, ...]]] = {
    "formal": _formal,
    "friendlier": _friendlier,
    "proofread": _proofread,
    "shorter": _shorter,
}
_LINE_FEED = "\n"


def _core(text: str) -> str:
    """The half of the sentences that says most of the others; the whole if they are few or long."""
    found = sentences(text)
    is_ranked = _FEWEST_FOR_CORE <= len(found) <= MAX_RANKED
    if not is_ranked or any(len(sentence) > MAX_LINE for sentence in found):
        return text
    wanted = min(MAX_SENTENCES, (len(found) + 1) // 2)
    return " ".join(summarise(SummaryRequest((Message("", text),), wanted)))


def _tidied(text: str) -> str:
    return _capitalised(_EMPTY_CLAUSE.sub(" ", _spaced(text)).strip(), "en")


def _trimmed(text: str) -> str:
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.strip().split("\n"))


def _unspaced(text: str, language: str) -> str:
    # In French a space before the tall marks is right; of an unknown language nothing is known.
    if not language:
        return text
    return (_BEFORE_LOW_MARK if language == "fr" else _BEFORE_MARK).sub("", text)


def _spaced(text: str) -> str:
    return _AFTER_COMMA.sub(r"\1 ", _BEFORE_MARK.sub("", _trimmed(text)))


def _once(text: str) -> str:
    return _TWICE.sub(lambda m: m[0] if m[1].lower() in _MEANT_TWICE else m[1], text)


def _capitalised(text: str, language: str) -> str:
    """Sentences begin with a capital, if the language is known and has one for the letter."""

    def begun(match: re.Match[str]) -> str:
        # "at 5 p.m. and later": neither the rule of the sentences nor this one starts anew there.
        before = text[max(0, match.start() - 12) : match.start()]
        if before.endswith(".") and is_abbreviation(before[:-1]):
            return match[0]
        # The capital of "i" is another letter in Turkish, which is not among the known languages.
        if not language or (match[1] == "i" and language != "en"):
            return match[0]
        return match[0][:-1] + _upper(match[1])

    return _START.sub(begun, text)


def _upper(letter: str) -> str:
    upper = letter.upper()
    return upper if len(upper) == 1 else letter


class _Table:
    """One table as one search, longest phrase first, each found whole and whatever its case."""

    def __init__(self, rules: Mapping[str, str], *, before: str = "", after: str = "") -> None:
        phrases = sorted(rules, key=lambda phrase: (-len(phrase), phrase))
        choices = "|".join(re.escape(phrase) for phrase in phrases)
        self.rules = rules
        self.pattern = re.compile(
            f"{before}{_BEFORE}(?:{choices}){_AFTER}{after}", re.ASCII | re.IGNORECASE
        )


# "I know what it is and": only what goes on is contracted.
_GOES_ON = rf"(?= [{_LETTER}])(?! (?:and|as|because|but|if|now|or|than|that|today|when)\b)"
_NOT_ASKED = r"(?<!how )(?<!what )(?<!where )(?<!who )(?<!than )(?<!as )"
# "Do you have to go?", "if you must": only what begins a clause is softened.
_CLAUSE = r"(?:(?<=[.!?,;:\n] )|(?<=\n)|(?<=^)|(?<= and )|(?<= but )|(?<= so ))"

_CONTRACTED = _Table(english.CONTRACTED, before=_NOT_ASKED, after=_GOES_ON)
_EXPANDED = _Table(english.EXPANDED)
_MISSPELT, _SHORTHAND = _Table(english.MISSPELT), _Table(english.SHORTHAND)
_PLAIN, _WORDY = _Table(english.PLAIN), _Table(english.WORDY)
_SOFTENED = _Table(english.SOFTENED, before=_CLAUSE)
_SOONER = _Table(english.SOONER)
_STATELY = _Table(english.STATELY)

_ENGLISH_ONLY = frozenset(english.MISSPELT) | frozenset(english.SHORTHAND)
# "ASAP" and "Dont" may be changed; "IM", "U" and "Ty" may be names.
_FREE = (_ENGLISH_ONLY | ABBREVIATIONS) - {"im", "ive", "ty", "u", "ur"}


def _replaced(text: str, table: _Table) -> str:
    def other(match: re.Match[str]) -> str:
        found = table.rules[match[0].lower()]
        # "Don't" is capitalised and so must be what replaces it; "I'm" is so by itself.
        is_start = match[0][0].isupper() and match[0][:2] not in ("I ", "I'")
        return found[:1].upper() + found[1:] if is_start else found

    return table.pattern.sub(other, text)
