"""What a page of ``cvm-audit explain`` holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.appraisal.checks import CHECKS

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The page of one check, in whole sentences.

    ``proves`` holds when the finding says pass; ``fails_when`` names usual causes, honest ones
    before attacks; ``attacks`` are stable ids (docs/threat-model.md) that the check answers.
    """

    check: str
    proves: str
    does_not_prove: str
    fails_when: str
    do: str
    attacks: tuple[str, ...]

    @property
    def title(self) -> str:
        """The check in words."""
        return CHECKS[self.check].title

    @property
    def spec(self) -> str:
        """The clause that the check implements."""
        return CHECKS[self.check].spec

    @property
    def informative(self) -> bool:
        """Whether the check only says something, and cannot fail."""
        return CHECKS[self.check].informative

    def sections(self) -> Iterator[tuple[str, str]]:
        """Heading and paragraph, in the order in which they are read."""
        yield ("says" if self.informative else "proves"), self.proves
        yield "does not prove", self.does_not_prove
        yield ("is there when" if self.informative else "fails when"), self.fails_when
        yield "what to do", self.do

    @property
    def text(self) -> str:
        """The page in one paragraph."""
        return " ".join(f"{heading.capitalize()}: {body}" for heading, body in self.sections())
