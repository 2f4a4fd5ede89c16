"""Trust policies for logs and witnesses (C2SP tlog-policy, editor's copy of 2026-06-22).

A policy is the auditor's own file, so everything wrong with it is a PolicyError that names the
line. It is read as text; names are compared character by character, without normalisation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.errors import AuditError, ParseError, PolicyError, UnsupportedError, VerificationError
from verifier.tlog.note import Algorithm, VerificationKey, parse_vkey
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = [
    "MAX_POLICY_LENGTH",
    "MAX_POLICY_MEMBERS",
    "PolicyGroup",
    "PolicyLog",
    "PolicyWitness",
    "TlogPolicy",
    "parse_tlog_policy",
    "verify_quorum",
]

MAX_POLICY_LENGTH = 2**20
"""Longest policy, in characters."""

MAX_POLICY_MEMBERS = 256
"""Most logs, most witnesses and most groups of a policy, each."""

_NONE = "none"
_LOG_ALGORITHMS = (Algorithm.ED25519, Algorithm.COSIGNATURE_MLDSA44)
_WITNESS_ALGORITHMS = (Algorithm.COSIGNATURE_ED25519, Algorithm.COSIGNATURE_MLDSA44)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLog:
    """A trusted key of a log; the name of the key is the origin. ``url`` is "" if not given."""

    key: VerificationKey
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWitness:
    """A witness: its name within the policy, its key, its submission prefix ("" if not given)."""

    name: str
    key: VerificationKey
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGroup:
    """A group that has witnessed when at least ``threshold`` of ``members`` have."""

    name: str
    threshold: int
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} = {self.threshold} of ({' '.join(self.members)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogPolicy:
    """Which logs are trusted, and which witnesses must agree. Made by ``parse_tlog_policy``.

    ``groups`` stand in the order of the file, so members come before the groups that name them.
    ``quorum`` is the name of a witness or group, or None for the explicit ``quorum none``.
    """

    policy_logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    @property
    def logs(self) -> tuple[VerificationKey, ...]:
        """Keys of all logs, in the order of the file."""
        return tuple(log.key for log in self.policy_logs)

    def log_keys(self, origin: str) -> tuple[VerificationKey, ...]:
        """Keys of the log with this origin; empty if the policy does not trust it."""
        return tuple(key for key in self.logs if key.name == origin)


def parse_tlog_policy(text: str) -> TlogPolicy:
    """Read a policy. Raises PolicyError, whose ``what`` names the line.

    The last line must be ended too: ``quorum ab`` cut short could be the name of another group.
    """
    _check_text(text)
    reader = _Reader()
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        items = _SPACE.split(line.strip(" \t"))
        if items != [""] and not items[0].startswith("#"):
            reader.read(items, f"policy line {number}")
    if reader.quorum is None:
        raise PolicyError("policy", expected="exactly one quorum line", got="none")
    return TlogPolicy(
        policy_logs=tuple(reader.logs),
        witnesses=tuple(reader.witnesses),
        groups=tuple(reader.groups),
        quorum=None if reader.quorum == _NONE else reader.quorum,
    )


def verify_quorum(policy: TlogPolicy, *, cosigned: frozenset[str]) -> None:
    """Check that the witnesses of these names (the policy's own names) meet the quorum.

    A name counts once, however often it cosigned. Raises VerificationError.
    """
    if policy.quorum is None:
        return
    witnessed = set(cosigned)
    for group in policy.groups:
        if len(witnessed.intersection(group.members)) >= group.threshold:
            witnessed.add(group.name)
    if policy.quorum not in witnessed:
        rules = [str(group) for group in policy.groups if group.name == policy.quorum]
        expected = excerpt(rules[0] if rules else policy.quorum, 200)
        got = excerpt(" ".join(sorted(witnessed)), 200) if witnessed else "no cosignature"
        raise VerificationError("witness quorum", expected=expected, got=got)


class _Reader:
    """The definitions made so far; a line may only name what stands above it."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: str | None = None
        self._names: set[str] = set()
        self._members: set[str] = set()

    def read(self, items: list[str], what: str) -> None:
        keyword, *rest = items
        if keyword == "log" and len(rest) in (1, 2):
            self._log(rest, what)
        elif keyword == "witness" and len(rest) in (2, 3):
            self._witness(rest, what)
        elif keyword == "group" and len(rest) >= 3:
            self._group(rest, what)
        elif keyword == "quorum" and len(rest) == 1:
            self._quorum(rest[0], what)
        else:
            expected = (
                "log <vkey> [<url>], witness <name> <vkey> [<url>], "
                "group <name> all|any|<k> <member>..., or quorum <name>|none"
            )
            raise PolicyError(what, expected=expected, got=excerpt(" ".join(items)))

    def _log(self, rest: list[str], what: str) -> None:
        key = _key(rest[0], _LOG_ALGORITHMS, what)
        _check_new_key(key, [log.key for log in self.logs], what)
        self.logs.append(PolicyLog(key=key, url="".join(rest[1:])))
        _check_count(len(self.logs), what)

    def _witness(self, rest: list[str], what: str) -> None:
        self._define(rest[0], what)
        key = _key(rest[1], _WITNESS_ALGORITHMS, what)
        _check_new_key(key, [witness.key for witness in self.witnesses], what)
        self.witnesses.append(PolicyWitness(name=rest[0], key=key, url="".join(rest[2:])))
        _check_count(len(self.witnesses), what)

    def _group(self, rest: list[str], what: str) -> None:
        name, rule, *members = rest
        for member in members:
            self._check_defined(member, what)
            if member in self._members:
                got = f"{excerpt(member)} again"
                raise PolicyError(what, expected="each name as a member once", got=got)
            self._members.add(member)
        self._define(name, what)
        threshold = _threshold(rule, len(members), what)
        self.groups.append(PolicyGroup(name=name, threshold=threshold, members=tuple(members)))
        _check_count(len(self.groups), what)

    def _quorum(self, name: str, what: str) -> None:
        if self.quorum is not None:
            raise PolicyError(what, expected="exactly one quorum line", got="a second one")
        if name != _NONE:
            self._check_defined(name, what)
        self.quorum = name

    def _define(self, name: str, what: str) -> None:
        if name == _NONE or name in self._names:
            raise PolicyError(what, expected="a new name, not none", got=excerpt(name))
        self._names.add(name)

    def _check_defined(self, name: str, what: str) -> None:
        if name not in self._names:
            expected = "a witness or group defined on a line above"
            raise PolicyError(what, expected=expected, got=excerpt(name))


def _check_text(text: str) -> None:
    if len(text) > MAX_POLICY_LENGTH:
        expected = f"at most {MAX_POLICY_LENGTH} characters"
        raise PolicyError("policy", expected=expected, got=f"{len(text)} characters")
    forbidden = _FORBIDDEN.search(text)
    if forbidden is not None:
        what = f"policy line {text.count(chr(10), 0, forbidden.start()) + 1}"
        expected = "no control character but tab and newline"
        raise PolicyError(what, expected=expected, got=repr(forbidden[0]))
    if not text.endswith("\n"):
        what = f"policy line {text.count(chr(10)) + 1}"
        raise PolicyError(what, expected="a newline at its end", got=excerpt(text[-30:]))


def _key(vkey: str, algorithms: tuple[Algorithm, ...], what: str) -> VerificationKey:
    try:
        key = parse_vkey(vkey)
    except (ParseError, UnsupportedError) as error:
        raise _policy_error(what, error) from error
    if key.algorithm not in algorithms:
        expected = " or ".join(f"type {algorithm:#04x}" for algorithm in algorithms)
        raise PolicyError(what, expected=expected, got=f"type {key.algorithm:#04x}")
    return key


def _threshold(rule: str, members: int, what: str) -> int:
    if rule in ("all", "any"):
        return members if rule == "all" else 1
    try:
        threshold = parse_decimal(rule, what="threshold", maximum=members)
    except ParseError as error:
        raise _policy_error(what, error) from error
    if threshold == 0:
        raise PolicyError(what, expected=f"all, any, or 1 to {members}", got="0")
    return threshold


def _policy_error(what: str, error: AuditError) -> PolicyError:
    return PolicyError(f"{what}, {error.what}", expected=error.expected, got=error.got)


def _check_new_key(key: VerificationKey, known: list[VerificationKey], what: str) -> None:
    # The public key alone counts: one witness under two names must not count twice.
    if any(key.public_key == other.public_key for other in known):
        expected = "each public key on one line only"
        raise PolicyError(what, expected=expected, got=f"{excerpt(key.name)} again")


def _check_count(count: int, what: str) -> None:
    if count > MAX_POLICY_MEMBERS:
        expected = f"at most {MAX_POLICY_MEMBERS} lines of its kind"
        raise PolicyError(what, expected=expected, got=f"{count}")
