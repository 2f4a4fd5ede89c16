"""What a rebuild is made from, brought together: out of a bundle, a store, or fetched into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.appraisal.rebuild.rebuilt import InputState, LockedInput
from verifier.rebuild.fetching import Fetching, bring_missing
from verifier.rebuild.inputs import look_up, unpack_bundle
from verifier.rebuild.locks import RebuildLocks

__all__ = ["Gathered", "InputSource", "gather_inputs"]

_UNPACKED = "store"  # in the work folder: what a bundle held


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSource:
    """Where inputs are: ``bundle``, a tar of them, or None.

    Then the folder ``store`` has them, and ``fetching`` brings what it lacks, unless it is None.
    """

    bundle: Path | None
    store: Path
    fetching: Fetching | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Every input of the locks as it lies in ``store``; ``fetch_words`` as in ``Rebuilt``."""

    store: Path
    inputs: tuple[LockedInput, ...]
    fetch_words: str


def gather_inputs(locks: RebuildLocks, source: InputSource, work: Path) -> Gathered:
    """Find every input of ``locks``, which were parsed before; ``work`` is a folder to work in.

    Raises ParseError for a bundle that cannot be read, FetchError for a folder that cannot be used.
    """
    lines = locks.lines()
    if source.bundle is not None:
        store = work / _UNPACKED
        altered = unpack_bundle(source.bundle, lines, store)
        inputs = tuple(_named(item, altered) for item in look_up(lines, store))
        return Gathered(store=store, inputs=inputs, fetch_words="")
    found = Gathered(store=source.store, inputs=look_up(lines, source.store), fetch_words="")
    states = {item.state for item in found.inputs}
    # An altered input is a finding, and fetching would put the right one into its place.
    if source.fetching is None or InputState.ALTERED in states or InputState.MISSING not in states:
        return found
    words = bring_missing(source.fetching, locks.files, source.store, work)
    return replace(found, inputs=look_up(lines, source.store), fetch_words=words)


def _named(item: LockedInput, altered: Mapping[bytes, bytes]) -> LockedInput:
    """An input that is not there, but something else in its name."""
    if item.state is InputState.MISSING and item.sha256 in altered:
        return replace(item, state=InputState.ALTERED, found=altered[item.sha256])
    return item
