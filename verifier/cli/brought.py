"""What a drive is made of, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from verifier.appraisal.rebuild.join_rebuild import join_rebuild
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.cli.judging import Judging

__all__ = ["Brought"]

_GOOD_ENOUGH = (Outcome.VERIFIED, Outcome.PARTIAL)  # what is still to come is judged when it comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What to drive. ``artifacts`` is None, and ``logged_keys`` empty, where none are needed.

    ``release`` and each of ``logged_keys`` are folders with ``entry.json`` and
    ``entry.tlog-proof``. ``rebuild`` is the verdict on the rebuild that ``artifacts`` come from,
    None without one. ``command`` drives again, and needs a network if it ``connects``.
    """

    judging: Judging
    release: Path
    artifacts: Path | None
    logged_keys: tuple[Path, ...]
    rebuild: Verdict | None
    command: tuple[str, ...]
    connects: bool

    def require(self, verdict: Verdict) -> None:
        """End with ``verdict`` if it is bad: nothing more is fetched, and nothing is booted."""
        if verdict.outcome not in _GOOD_ENOUGH:
            self.judging.conclude(verdict, command=self.command, connects=self.connects)

    def conclude(self, verdict: Verdict, *, command: tuple[str, ...] | None) -> NoReturn:
        """End with the verdict on the drive, and on the rebuild before it.

        ``command`` judges again; None for that which drives again.
        """
        if self.rebuild is not None:
            verdict = join_rebuild(verdict, self.rebuild)
        if command is None:
            self.judging.conclude(verdict, command=self.command, connects=self.connects)
        self.judging.conclude(verdict, command=command)
