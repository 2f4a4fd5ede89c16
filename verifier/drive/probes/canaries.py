"""Random words that a client sends, and the search for them in what somebody else has seen.

All words of a canary begin with the same letters, so one search finds any of them. It knows many
spellings, but only whole ones: what is encrypted under a key that the searcher has not, cut in the
middle by a protocol, or encoded in another way is not found.
"""

from __future__ import annotations

import base64
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

__all__ = [
    "MARK_SIZE",
    "MAX_INFLATED",
    "Canary",
    "Found",
    "Hay",
    "encodings",
    "make_canary",
    "spellings",
]

MARK_SIZE = 14
"""Letters that all words of a canary begin with: by chance they stand nowhere (26^14 > 2^65)."""

MAX_INFLATED = 1_048_576
"""Most bytes that are unpacked of one compressed stream."""

_RAW = "as it is"
_URL = "in base64url"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_ENDING_SIZE = 4
_GZIP = re.compile(rb"\x1f\x8b\x08")
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")


@dataclass(frozen=True, slots=True)
class Hay:
    """Bytes to be searched, and where they come from, in words."""

    place: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """Where a canary stands: ``offset`` is in bytes, ``spelling`` says how it is written."""

    place: str
    offset: int
    spelling: str

    def __str__(self) -> str:
        return f"{self.place}, offset {self.offset}: {self.spelling}"


@dataclass(frozen=True)
class Canary:
    """What all words of a client begin with: lower-case letters. Made by ``make_canary``."""

    mark: str

    def word(self) -> str:
        """A new word of this canary."""
        return self.mark + _letters(_ENDING_SIZE)

    def is_in(self, text: str) -> bool:
        """Whether ``text`` holds one of its words, as they are."""
        return self.mark in text.lower()

    def find(self, hay: Hay) -> Found | None:
        """The first place where it stands in ``hay``, compressed streams included."""
        found = self.find_plain(hay)
        if found is not None:
            return found
        for offset, kind, inflated in _inflated(hay.content):
            inside = self.find_plain(Hay(hay.place, inflated))
            if inside is not None:
                return Found(hay.place, offset, f"{inside.spelling}, in {kind}")
        return None

    def find_plain(self, hay: Hay) -> Found | None:
        """As ``find``, without unpacking anything."""
        for spelling, needle in self.needles.items():
            offset = hay.content.find(needle)
            if offset >= 0:
                return Found(hay.place, offset, spelling)
        return None

    @cached_property
    def needles(self) -> Mapping[str, bytes]:
        """What is searched for, by its spelling."""
        return spellings(self.mark)


def make_canary() -> Canary:
    """A canary that nobody has seen."""
    return Canary(_letters(MARK_SIZE))


def spellings(mark: str) -> Mapping[str, bytes]:
    """How words that begin with ``mark``, lower-case ASCII letters, may be written."""
    raw = mark.encode("ascii")
    written = {
        _RAW: raw,
        "in capitals": raw.upper(),
        "with a capital": raw.capitalize(),
        "in UTF-16": mark.encode("utf-16-le")[:-1],  # the same bytes in either order
        "in UTF-32": mark.encode("utf-32-le")[:-3],
        "escaped as in JSON": "".join(f"\\u{ord(letter):04x}" for letter in mark).encode("ascii"),
        "escaped as in a URL": "".join(f"%{ord(letter):02X}" for letter in mark).encode("ascii"),
        "backwards": raw[::-1],
    }
    # Of letters both alphabets of base64 write the same, and nothing is searched for twice.
    further = encodings(raw).items()
    return written | {name: needle for name, needle in further if _URL not in name and name != _RAW}


def encodings(raw: bytes) -> Mapping[str, bytes]:
    """How bytes may stand in a text, and as they are."""
    written = {
        _RAW: raw,
        "in hex": raw.hex().encode("ascii"),
        "in hex capitals": raw.hex().upper().encode("ascii"),
    }
    for before in range(3):
        plain = _base64(raw, before)
        written[f"in base64, {before} bytes after a boundary"] = plain
        written[f"{_URL}, {before} bytes after a boundary"] = plain.translate(_URL_SAFE)
    return written


def _base64(raw: bytes, before: int) -> bytes:
    """The characters that ``raw`` alone decides, ``before`` bytes after a boundary."""
    encoded = base64.b64encode(bytes(before) + raw)
    first = -(-before * 8 // 6)
    return encoded[first : (before + len(raw)) * 8 // 6]


def _inflated(content: bytes) -> Iterator[tuple[int, str, bytes]]:
    for kind, magic, bits in (("gzip", _GZIP, 31), ("zlib", _ZLIB, 15)):
        for start in magic.finditer(content):
            try:
                unpacked = zlib.decompressobj(bits).decompress(
                    content[start.start() :], MAX_INFLATED
                )
            except zlib.error:
                continue  # bytes that only begin like a stream
            yield start.start(), kind, unpacked


def _letters(count: int) -> str:
    return "".join(secrets.choice(ascii_lowercase) for _ in range(count))
