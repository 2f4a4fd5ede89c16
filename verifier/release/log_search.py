"""Which entries of a log an auditor could want: the newest release, and configurations of keys.

This only finds. What is found is judged like anything that somebody hands over, under the
auditor's policy; but what nobody who counts has signed is not found, or anybody who may write to a
log could put something newer beside the releases. Source: docs/spec/release.md, "Out of the log".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import Entry, open_entry, parse_entry
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.publisher import PublisherKey
from verifier.release.revocation import Revocation

__all__ = ["FoundConfiguration", "FoundRelease", "LogSearch", "Signers", "digests_of_keys"]

_MAX_PRODUCTS = 8  # that are remembered, to be told where the wanted one is not there


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose entries count: ``threshold`` of ``publishers`` must have signed."""

    publishers: tuple[PublisherKey, ...]
    threshold: int

    def signed(self, entry: Entry) -> bool:
        """Whether ``entry`` is theirs."""
        try:
            open_entry(entry, publishers=self.publishers, threshold=self.threshold)
        except VerificationError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRelease:
    """A release by those who count. ``sha256`` (32 bytes) is that of its entry."""

    index: int
    version: str
    security_version: int
    sha256: bytes

    @property
    def rank(self) -> tuple[int, int]:
        """Greater for the newer of two."""
        return (self.security_version, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundConfiguration:
    """A key configuration by those who count. ``keys`` are SHA-256 (32 bytes) of each key."""

    index: int
    role: str
    keys: frozenset[bytes]
    not_before: datetime
    not_after: datetime


class LogSearch:
    """Takes the entries of a log one after another, and remembers what an auditor could want.

    ``signers`` are those of releases, ``operators`` those of key configurations, None to look for
    none. What either have withdrawn by ``now`` is left out, wherever in the log that stands.
    """

    def __init__(
        self,
        *,
        role: str,
        product: str,
        signers: Signers,
        operators: Signers | None,
        now: datetime,
    ) -> None:
        self._wanted = (role, product)
        self._signers = signers
        self._operators = operators
        self._now = now
        self._releases: list[FoundRelease] = []
        self._configurations: list[FoundConfiguration] = []
        self._withdrawn_entries: dict[bytes, int] = {}
        self._withdrawn_keys: dict[bytes, int] = {}
        self.unsigned = 0
        """Releases for the role and of the product that nobody who counts has signed."""
        self.others: dict[str, None] = {}
        """Some of the other products that the log has releases of; what they say of themselves."""

    def add(self, index: int, raw: bytes) -> None:
        """Look at entry ``index``. What is no entry of a known kind is nothing that is wanted."""
        try:
            entry = parse_entry(raw)
        except (ParseError, UnsupportedError):
            return
        match entry.content:
            case CvmRelease() as release:
                self._add_release(index, entry, release)
            case KeyConfiguration() as configuration:
                self._add_configuration(index, entry, configuration)
            case Revocation() as revocation if revocation.since <= self._now:
                self._add_revocation(index, entry, revocation)

    def _add_release(self, index: int, entry: Entry, release: CvmRelease) -> None:
        if (release.role, release.product) != self._wanted:
            if len(self.others) < _MAX_PRODUCTS:
                self.others[f"{release.product} ({release.role})"] = None
        elif not self._signers.signed(entry):
            self.unsigned += 1
        else:
            found = FoundRelease(
                index=index,
                version=release.version,
                security_version=release.security_version,
                sha256=sha256(entry.raw).digest(),
            )
            self._releases.append(found)

    def _add_configuration(self, index: int, entry: Entry, content: KeyConfiguration) -> None:
        if self._operators is not None and self._operators.signed(entry):
            found = FoundConfiguration(
                index=index,
                role=content.role,
                keys=digests_of_keys(content),
                not_before=content.not_before,
                not_after=content.not_after,
            )
            self._configurations.append(found)

    def _add_revocation(self, index: int, entry: Entry, revocation: Revocation) -> None:
        by_sort: Mapping[str, tuple[Signers | None, dict[bytes, int]]] = {
            "entry": (self._signers, self._withdrawn_entries),
            "configured-key": (self._operators, self._withdrawn_keys),
        }
        for item in revocation.withdrawn:
            signers, withdrawn = by_sort.get(item.sort, (None, {}))
            if signers is not None and signers.signed(entry):
                withdrawn.setdefault(item.digest, index)

    @property
    def withdrawn(self) -> tuple[tuple[FoundRelease, int], ...]:
        """Releases that were withdrawn, each with the index of the entry that says so."""
        by = self._withdrawn_entries
        return tuple((each, by[each.sha256]) for each in self._releases if each.sha256 in by)

    def releases(self, *, version: str | None) -> tuple[FoundRelease, ...]:
        """Those that count, of ``version`` or of any: the newest first.

        The newest has the highest security version number, and among those with the same it was
        logged last. Nothing else orders releases: what a version means is its publisher's affair.
        """
        counting = (
            each
            for each in self._releases
            if each.sha256 not in self._withdrawn_entries and version in (None, each.version)
        )
        return tuple(sorted(counting, key=lambda each: each.rank, reverse=True))

    def configurations(self, *, role: str, keys: Iterable[bytes]) -> tuple[FoundConfiguration, ...]:
        """Those of ``role`` that have exactly ``keys``: valid ones first, then what came last."""
        wanted = frozenset(keys)
        counting = (
            each
            for each in self._configurations
            if (each.role, each.keys) == (role, wanted) and not wanted & self._withdrawn_keys.keys()
        )
        return tuple(sorted(counting, key=self._order, reverse=True))

    def _order(self, found: FoundConfiguration) -> tuple[bool, int]:
        return (found.not_before <= self._now < found.not_after, found.index)

    def withdrawn_by(self, keys: Iterable[bytes]) -> int | None:
        """The entry that withdraws one of ``keys``, if one does."""
        return next((self._withdrawn_keys[k] for k in keys if k in self._withdrawn_keys), None)


def digests_of_keys(configuration: KeyConfiguration) -> frozenset[bytes]:
    """SHA-256 (32 bytes) of each key, which is the digest of its subject."""
    return frozenset(sha256(key.encoded).digest() for key in configuration.keys)
