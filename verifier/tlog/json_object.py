"""Reads the members of a decoded JSON object or TOML table, each exactly once and of one type.

``JsonObject`` is how every document of this project refuses what it does not know: a member is
taken by name and type, and ``end`` refuses those that nobody took (ADR 0004).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from verifier.errors import AuditError, ParseError
from verifier.tlog.strict import excerpt, parse_hex, parse_hex_integer, parse_timestamp

__all__ = ["JsonObject"]

_T = TypeVar("_T")

_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "a boolean",
}


class JsonObject:
    """One object being read. ``what`` names it in errors; ``error`` is the class raised.

    Each reader raises ``error`` when the member is missing, of another type or out of range.
    """

    __slots__ = ("_error", "_left", "what")

    def __init__(self, value: Any, *, what: str, error: type[AuditError] = ParseError) -> None:
        self.what = what
        self._error = error
        if type(value) is not dict:
            raise error(what, expected="an object", got=_kind(value))
        self._left: dict[str, Any] = dict(value)

    def has(self, name: str) -> bool:
        """Whether the member is there and still unread."""
        return name in self._left

    def take(self, name: str) -> Any:
        """Read a member of any type."""
        if name not in self._left:
            raise self._error(f"{self.what}.{name}", expected="the member", got="it is missing")
        return self._left.pop(name)

    def _typed(self, name: str, kind: type) -> Any:
        value = self.take(name)
        if type(value) is not kind:
            raise self.refuse(name, expected=_KINDS[kind], got=_kind(value))
        return value

    def refuse(self, name: str, *, expected: str, got: str) -> AuditError:
        """The error that says what is wrong with a member; the caller raises it."""
        return self._error(f"{self.what}.{name}", expected=expected, got=got)

    def text(self, name: str, *, pattern: str = r"[ -~]{1,256}") -> str:
        """Read a string that matches ``pattern`` as a whole (default: 1 to 256 printable ASCII)."""
        value: str = self._typed(name, str)
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise self.refuse(name, expected=f"text like {pattern}", got=excerpt(value))
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Read a string that is one of ``choices``."""
        value: str = self._typed(name, str)
        if value not in choices:
            raise self.refuse(name, expected=" or ".join(choices), got=excerpt(value))
        return value

    def integer(self, name: str, *, minimum: int = 0, maximum: int = 2**53 - 1) -> int:
        """Read an integer between ``minimum`` and ``maximum``, both included."""
        value: int = self._typed(name, int)
        if not minimum <= value <= maximum:
            raise self.refuse(name, expected=f"{minimum} to {maximum}", got=str(value)[:40])
        return value

    def boolean(self, name: str) -> bool:
        """Read true or false."""
        value: bool = self._typed(name, bool)
        return value

    def hex(self, name: str, *, size: int) -> bytes:
        """Read ``size`` bytes written as lower-case hex."""
        return self._reading(name, parse_hex, size=size)

    def hex_integer(self, name: str, *, maximum: int = 2**64 - 1) -> int:
        """Read an integer written as ``0x…``."""
        return self._reading(name, parse_hex_integer, maximum=maximum)

    def timestamp(self, name: str) -> datetime:
        """Read an instant, ``YYYY-MM-DDThh:mm:ssZ``."""
        return self._reading(name, parse_timestamp)

    def _reading(self, name: str, read: Callable[..., _T], **limits: int) -> _T:
        try:
            return read(self._typed(name, str), what="", **limits)
        except ParseError as error:
            if error.what:
                raise
            raise self.refuse(name, expected=error.expected, got=error.got) from None

    def array(self, name: str, *, minimum: int = 0, maximum: int = 1024) -> tuple[Any, ...]:
        """Read an array of ``minimum`` to ``maximum`` members."""
        value: list[Any] = self._typed(name, list)
        if not minimum <= len(value) <= maximum:
            expected = f"{minimum} to {maximum} members"
            raise self.refuse(name, expected=expected, got=str(len(value)))
        return tuple(value)

    def texts(
        self, name: str, *, pattern: str = r"[ -~]{1,256}", minimum: int = 0
    ) -> tuple[str, ...]:
        """Read an array of distinct strings that each match ``pattern``."""
        values = self.array(name, minimum=minimum)
        for value in values:
            if type(value) is not str or re.fullmatch(pattern, value, re.ASCII) is None:
                got = excerpt(value) if type(value) is str else _kind(value)
                raise self.refuse(name, expected=f"strings like {pattern}", got=got)
        if len(set(values)) != len(values):
            raise self.refuse(name, expected="distinct members", got="one of them twice")
        return values

    def object(self, name: str) -> JsonObject:
        """Read an object."""
        return JsonObject(self.take(name), what=f"{self.what}.{name}", error=self._error)

    def objects(self, name: str, *, minimum: int = 0) -> tuple[JsonObject, ...]:
        """Read an array of objects."""
        return tuple(
            JsonObject(value, what=f"{self.what}.{name}[{place}]", error=self._error)
            for place, value in enumerate(self.array(name, minimum=minimum))
        )

    def names(self) -> tuple[str, ...]:
        """The members that are still unread, in their order."""
        return tuple(self._left)

    def end(self) -> None:
        """Refuse any member that was not read."""
        if self._left:
            name = excerpt(next(iter(self._left)))
            raise self._error(self.what, expected="no unknown member", got=name)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)
