"""What a log admits by its own rules: the newest ``log-policy/v1`` entry applies.

The same functions decide at the door of a running log and when an auditor replays a log, so a log
can be held to its own rules by anyone who has its entries. Source: docs/spec/entry-kinds.md,
"Admission".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release import log_policy
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import Content, Entry, kind_name, open_entry, parse_entry
from verifier.release.host_identity import HostIdentity
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.log_policy import KindRule, LogPolicy, ReleaseScope
from verifier.release.publisher import PublisherKey

__all__ = ["AdmissionReplay", "Rules", "Violation", "may_be_policy", "replay_admission", "rules_of"]

_MEMBER = f'"predicateType":"{log_policy.PREDICATE_TYPE}"'.encode()


def _alignments(text: bytes) -> tuple[bytes, ...]:
    # Base64 of a text depends on where it starts, modulo 3. What stays are the characters that
    # depend on nothing but the text.
    found = []
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + text)
        start = -(-offset * 4 // 3)
        found.append(encoded[start : (offset + len(text)) * 4 // 3])
    return tuple(found)


_START = b'{"payload":"'  # the canonical form of an envelope has its members in this order
_MARKS = _alignments(_MEMBER)


@dataclass(frozen=True, slots=True)
class Violation:
    """An entry that the rules before it do not admit. ``rule`` is ``log-policy.<rule>``."""

    index: int
    rule: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What the log ``origin`` admits next.

    ``policy`` is the policy in force, None before the first one, and ``entry`` the bytes of the
    entry that it came in.
    """

    origin: str
    policy: LogPolicy | None
    entry: bytes

    def after(self, entry: bytes) -> Rules:
        """The rules after ``entry`` was admitted, which differ if it is a policy.

        Raises VerificationError if it is not admitted; ``what`` is ``log-policy.<rule>``. Without
        a policy any bytes are admitted, but for a policy that cannot be the first of this log.
        """
        if self.policy is None:
            return self._after_first(entry)
        if entry == self.entry:
            return self  # a repetition, which keeps its index
        try:
            parsed = parse_entry(entry)
        except (ParseError, UnsupportedError) as error:
            raise _refused("entry", expected="an entry of a known kind", got=str(error)) from None
        if isinstance(parsed.content, LogPolicy):
            _require_administrators(parsed, self.policy)
            return self._changed(parsed.content, entry, sequence=self.policy.sequence + 1)
        _require_submitters(parsed, self.policy)
        return self

    def _after_first(self, entry: bytes) -> Rules:
        policy = _policy_in(entry)
        if policy is None:
            return self
        parsed, content = policy
        _require_administrators(parsed, content)
        return self._changed(content, entry, sequence=1)

    def _changed(self, policy: LogPolicy, entry: bytes, *, sequence: int) -> Rules:
        if policy.origin != self.origin:
            raise _refused("origin", expected=self.origin, got=policy.origin)
        if policy.sequence != sequence:
            raise _refused("sequence", expected=str(sequence), got=str(policy.sequence))
        return Rules(self.origin, policy, entry)


class AdmissionReplay:
    """Holds the entries of the log ``origin``, from its first, against the rules before each.

    Nothing violates them before there is a policy, and a policy that violates them does not apply.
    ``rules`` are those after everything that was added, another object after each policy.
    """

    def __init__(self, *, origin: str) -> None:
        self.rules = Rules(origin, None, b"")
        self.violations: list[Violation] = []
        self._next = 0

    def add(self, entry: bytes) -> None:
        """The next entry of the log."""
        try:
            self.rules = self.rules.after(entry)
        except VerificationError as error:
            if self.rules.policy is not None:
                violation = Violation(self._next, error.what, error.expected, error.got)
                self.violations.append(violation)
        self._next += 1


def may_be_policy(entry: bytes) -> bool:
    """Whether ``entry`` has the bytes that every log policy has; cheap, and never wrongly no."""
    # The beginning says no to almost all that is no entry, in a log of raw entries at full speed.
    return entry.startswith(_START) and any(mark in entry for mark in _MARKS)


def rules_of(entries: Iterable[bytes], *, origin: str) -> Rules:
    """The rules after a whole log, from its beginning.

    Only entries that ``may_be_policy`` are parsed. A policy that was not to be admitted changes
    nothing, as in ``replay_admission``.
    """
    rules = Rules(origin, None, b"")
    for entry in entries:
        if may_be_policy(entry):
            try:
                rules = rules.after(entry)
            except VerificationError:
                continue
    return rules


def replay_admission(entries: Iterable[bytes], *, origin: str) -> tuple[Violation, ...]:
    """Hold a whole log, from its beginning, against its own rules; see ``AdmissionReplay``."""
    replay = AdmissionReplay(origin=origin)
    for entry in entries:
        replay.add(entry)
    return tuple(replay.violations)


def _policy_in(entry: bytes) -> tuple[Entry, LogPolicy] | None:
    if not may_be_policy(entry):
        return None
    try:
        parsed = parse_entry(entry)
    except (ParseError, UnsupportedError):
        return None
    return (parsed, parsed.content) if isinstance(parsed.content, LogPolicy) else None


def _require_administrators(entry: Entry, policy: LogPolicy) -> None:
    administrators = policy.administrators
    _open("administrators", entry, administrators.keys, administrators.threshold)


def _require_submitters(entry: Entry, policy: LogPolicy) -> None:
    kind = kind_name(entry.kind)
    rule = next((rule for rule in policy.kinds if rule.kind == kind), None)
    if rule is None:
        admitted = " or ".join(rule.kind for rule in policy.kinds) or "no kind"
        raise _refused("kinds", expected=admitted, got=kind)
    if len(entry.raw) > rule.maximum_size:
        expected = f"at most {rule.maximum_size} bytes for {kind}"
        raise _refused("maximumSize", expected=expected, got=f"{len(entry.raw)} bytes")
    _require_horizon(entry.content, rule)
    _open("submitters", entry, _submitters(entry.content, kind, policy), rule.threshold)


def _require_horizon(content: Content, rule: KindRule) -> None:
    if not isinstance(content, CvmRelease | HostIdentity | KeyConfiguration):
        return
    latest = rule.latest_not_after
    if latest is None or content.not_after > latest:  # the parser gives these kinds a latest
        expected = "a policy with one" if latest is None else f"{_time(latest)} or earlier"
        raise _refused("latestNotAfter", expected=expected, got=_time(content.not_after))


def _submitters(content: Content, kind: str, policy: LogPolicy) -> tuple[PublisherKey, ...]:
    able = (submitter for submitter in policy.submitters if kind in submitter.kinds)
    if isinstance(content, CvmRelease):
        scope = ReleaseScope(content.role, content.product)
        return tuple(submitter.key for submitter in able if scope in submitter.releases)
    return tuple(submitter.key for submitter in able)


def _open(rule: str, entry: Entry, keys: tuple[PublisherKey, ...], threshold: int) -> None:
    try:
        open_entry(entry, publishers=keys, threshold=threshold)
    except VerificationError as error:
        got = error.got if error.what == "publisher signatures" else f"{error.what}: {error.got}"
        raise _refused(rule, expected=error.expected, got=got) from None
    _require_one_spelling(entry, {key.keyid for key in keys})


def _require_one_spelling(entry: Entry, counting: set[str]) -> None:
    # Else anybody could take a signed entry, add a signature of their own, or change the order, and
    # log it again and again as another entry.
    names = [signature.keyid for signature in entry.envelope.signatures]
    if not counting.issuperset(names) or any(a >= b for a, b in pairwise(names)):
        expected = "only keys that count, each once, ascending by keyid"
        raise _refused("signatures", expected=expected, got=", ".join(names))


def _refused(rule: str, *, expected: str, got: str) -> VerificationError:
    return VerificationError(f"log-policy.{rule}", expected=expected, got=got)


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
