"""What no suggestion may touch: quotations, code, links, addresses, numbers and names.

Each such part is replaced by one character of the private use area (U+E000 to U+F8FF) while the
tables work on the rest, and put back afterwards. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["HELD", "Protected", "protect"]

HELD = "\ue000-\uf8ff"
"""The characters that stand for parts, as members of a class of a regular expression."""

_FIRST, _MOST = 0xE000, 0x1900

# One alternative for each kind; the first that fits at a place is taken.
_PARTS = re.compile(
    r"```[^`]{0,8192}```"
    r"|`[^`\n]{1,512}`"
    r"|^[ \t]{0,8}>[^\n]{0,8192}"
    r'|"[^"\n]{1,1024}"'
    "|\u201c[^\u201c\u201d\n]{1,1024}\u201d|\u201e[^\u201c\u201d\u201e\n]{1,1024}[\u201c\u201d]"
    "|\u00ab[^\u00ab\u00bb\n]{1,1024}\u00bb"
    r"|\b(?:[a-z][a-z+.-]{1,15}://|www\.)[^\s<>\"]{1,2048}[^\s<>\".,;:!?)]"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<!\w)[@#/~][\w./-]{0,127}\w"
    r"|\b[A-Za-z0-9]{1,64}(?:[/\\_][A-Za-z0-9]{1,64}){1,16}"
    r"|[$\u20ac\u00a3]?\d(?:[\d.,:/-]{0,62}\d)?%?(?:[A-Za-z]{1,12}\b)?"
    # A capital inside or at the end of a word, or two capitals: a brand, an acronym.
    r"|\b[A-Za-z]{0,63}[a-z][A-Z][A-Za-z]{0,63}\b|\b[A-Z]{2,64}(?:s\b|\b)"
    # A capital where no sentence begins: a name. "I" and its contractions are none.
    "|(?<=[a-z,;][ \t])(?!I\\b)[A-Z][A-Za-z\u00c0-\u024f]{1,63}(?![\\w\u00c0-\u024f])"
    f"|[{HELD}]{{1,8192}}",
    re.ASCII | re.MULTILINE,
)

_WORDLIKE = re.compile("[$\u20ac\u00a3]?[0-9A-Za-z\u00c0-\u024f][0-9A-Za-z\u00c0-\u024f,:]*%?")


@dataclass(frozen=True, slots=True)
class Protected:
    """``text`` with one character of ``HELD`` for each of ``parts``, in their order."""

    text: str
    parts: tuple[str, ...]

    def ends_in_a_word(self, wording: str) -> bool:
        """Whether ``wording`` ends in a part that is a name or a number: a full stop may follow."""
        last = wording[-1:]
        if not last or not _is_held(last):
            return False
        return _WORDLIKE.fullmatch(self.parts[ord(last) - _FIRST]) is not None

    def restored(self, wording: str) -> str | None:
        """``wording`` with the parts put back; None if it has not each of them, in their order."""
        held = [character for character in wording if _is_held(character)]
        if held != [chr(_FIRST + place) for place in range(len(self.parts))]:
            return None
        return self.some_restored(wording)

    def some_restored(self, wording: str) -> str | None:
        """As ``restored``, but parts may be left out with what stood around them."""
        held = [ord(character) - _FIRST for character in wording if _is_held(character)]
        if held != sorted(set(held)):
            return None
        pieces = (
            self.parts[ord(character) - _FIRST] if _is_held(character) else character
            for character in wording
        )
        return "".join(pieces)


def protect(text: str, *, free: frozenset[str]) -> Protected:
    """Take out every part but the words that are in ``free`` when folded.

    After 6,400 parts nothing more is taken out: no text of the service has so many.
    """
    parts: list[str] = []

    def held(match: re.Match[str]) -> str:
        if match[0].lower() in free or len(parts) == _MOST:
            return match[0]
        parts.append(match[0])
        return chr(_FIRST + len(parts) - 1)

    return Protected(_PARTS.sub(held, text), tuple(parts))


def _is_held(character: str) -> bool:
    return "\ue000" <= character <= "\uf8ff"
