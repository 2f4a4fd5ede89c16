"""The policy in force in a running log, kept for the two who ask: the door, and the committer.

What the rules are is said in ``verifier.release.admission``, which auditors replay; here they are
applied in the order in which entries will be logged, while some of them are still queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from log_server.errors import PolicyRefusalError
from verifier.errors import VerificationError
from verifier.release.admission import Rules, may_be_policy

__all__ = ["Admission"]


class Admission:
    """Says what a log admits, before entries are queued and once more before they are written.

    What is in the log already is held against the policy too when it is submitted again, but for
    the newest policy itself, whose submitter may never have got the answer.
    """

    def __init__(self, rules: Rules) -> None:
        """``rules`` are those after everything that is logged."""
        self._logged = rules
        self._queued = rules
        self._first_allowed = False
        self._lock = Lock()

    @property
    def rules(self) -> Rules:
        """The rules after everything that is logged."""
        return self._logged

    def allow_first_policy(self) -> None:
        """Let the first policy in: only for the operator, who is at the log's own directory.

        Whoever gives a log its first policy owns its rules from then on, and that must not be
        the first stranger who posts one.
        """
        self._first_allowed = True

    def require(self, entries: Sequence[bytes]) -> None:
        """Take entries that are queued next, together. Raises PolicyRefusalError, and takes none.

        Must be called in the order of the queue, and only for what is then queued.
        """
        with self._lock:
            self._queued = self._after(self._queued, entries)

    def review(self, entries: Sequence[bytes]) -> Rules:
        """The rules after ``entries`` if they are logged next. Raises PolicyRefusalError."""
        try:
            return self._after(self._logged, entries)
        except PolicyRefusalError:
            self.forget()
            raise

    def settle(self, rules: Rules) -> None:
        """Entries are logged, and these are the rules after them."""
        with self._lock:
            self._logged = rules
            if _sequence(self._queued) < _sequence(rules):  # it came by no door
                self._queued = rules

    def forget(self) -> None:
        """Entries that were queued are not logged, a policy perhaps: judge by what is."""
        with self._lock:
            self._queued = self._logged

    def _after(self, rules: Rules, entries: Sequence[bytes]) -> Rules:
        if rules.policy is None and not any(map(may_be_policy, entries)):
            return rules
        for number, entry in enumerate(entries):
            after = _admitted(rules, entry, number, len(entries))
            if rules.policy is None and after.policy is not None and not self._first_allowed:
                raise PolicyRefusalError(
                    "log-policy.bootstrap",
                    expected="the first policy from the operator",
                    got="one from a submitter",
                    hint="cvm-log publish DIR ENTRY, on the machine of the log",
                )
            rules = after
        return rules


def _admitted(rules: Rules, entry: bytes, number: int, count: int) -> Rules:
    try:
        return rules.after(entry)
    except VerificationError as error:
        got = error.got if count == 1 else f"entry {number} of the batch: {error.got}"
        raise PolicyRefusalError(error.what, expected=error.expected, got=got) from None


def _sequence(rules: Rules) -> int:
    return 0 if rules.policy is None else rules.policy.sequence
