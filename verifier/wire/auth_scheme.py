"""Challenges and credentials of HTTP authentication (RFC 9110 section 11), of any scheme.

A challenge is a scheme with parameters, or with one ``token68``, or alone; a field may hold
several, and a comma ends both a parameter and a challenge. Names are not told apart by case. A
parameter that is there twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt

__all__ = ["MAX_AUTH_FIELD", "Challenge", "parse_challenges", "parse_credentials"]

MAX_AUTH_FIELD = 8192
"""Most characters of the value of a field."""

_MAX_CHALLENGES = 16
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_PARAMETER = re.compile(rf"({_WORD})[\t ]*=[\t ]*({_WORD}|{_QUOTED})")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_SCHEME = re.compile(rf"({_WORD})(?: +|$)")
# The text between two commas that are not quoted. Nothing is given back (*+): else a long text
# without a closing quote would take quadratic time.
_ITEM = re.compile(rf'(?:[^",]|{_QUOTED})*+')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge, or credentials. ``scheme`` and the names of parameters are in lower case.

    ``token68`` is empty where there are parameters, or nothing.
    """

    scheme: str
    parameters: Mapping[str, str]
    token68: str


def parse_challenges(text: str, *, what: str) -> tuple[Challenge, ...]:
    """Read the value of ``WWW-Authenticate``: one challenge or more. Raises ParseError."""
    if len(text) > MAX_AUTH_FIELD:
        expected = f"at most {MAX_AUTH_FIELD} characters"
        raise ParseError(what, expected=expected, got=f"{len(text)}")
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    for item in filter(None, _items(text, what)):
        if _PARAMETER.fullmatch(item) is None:
            parameters = {}
            challenges.append(_challenge(item, parameters, what))
        elif not challenges or challenges[-1].token68:
            raise ParseError(what, expected="a scheme before its parameters", got=excerpt(item))
        else:
            _add(parameters, item, what)
    if not 1 <= len(challenges) <= _MAX_CHALLENGES:
        expected = f"1 to {_MAX_CHALLENGES} challenges"
        raise ParseError(what, expected=expected, got=f"{len(challenges)}")
    return tuple(challenges)


def parse_credentials(text: str, *, what: str) -> Challenge:
    """Read the value of ``Authorization``: one scheme with what belongs to it. ParseError."""
    challenges = parse_challenges(text, what=what)
    if len(challenges) != 1:
        raise ParseError(what, expected="one scheme", got=f"{len(challenges)}")
    return challenges[0]


def _items(text: str, what: str) -> list[str]:
    items: list[str] = []
    offset = 0
    while offset <= len(text):
        match = _ITEM.match(text, offset)
        end = offset if match is None else match.end()
        if end < len(text) and text[end] != ",":
            raise ParseError(what, expected="quotes that are closed", got=excerpt(text[end:]))
        items.append(text[offset:end].strip("\t "))
        offset = end + 1
    return items


def _challenge(item: str, parameters: dict[str, str], what: str) -> Challenge:
    scheme = _SCHEME.match(item)
    if scheme is None:
        raise ParseError(what, expected="a scheme or a parameter", got=excerpt(item))
    rest = item[scheme.end() :]
    is_token68 = _TOKEN68.fullmatch(rest) is not None
    if rest and not is_token68:
        _add(parameters, rest, what)
    return Challenge(scheme[1].lower(), parameters, rest if is_token68 else "")


def _add(parameters: dict[str, str], item: str, what: str) -> None:
    parameter = _PARAMETER.fullmatch(item)
    if parameter is None:
        raise ParseError(what, expected="a parameter or a token68", got=excerpt(item))
    name, value = parameter[1].lower(), parameter[2]
    if name in parameters:
        raise ParseError(what, expected="each parameter once", got=f"{excerpt(name)} twice")
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    parameters[name] = value
