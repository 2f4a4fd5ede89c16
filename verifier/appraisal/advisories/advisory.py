"""What the table holds of one known vulnerability."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.appraisal.advisories.criteria import Criterion
from verifier.evidence.tcb import Product

__all__ = ["NO_KNOWN_LEVEL", "Advisory", "Exposure"]

NO_KNOWN_LEVEL = "no published level is known by which evidence could show the fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How one product line is affected.

    ``fixed_in`` names the vendor's release with the fix, in the vendor's words. All of
    ``criteria`` must hold for evidence to show that fix; where there are none, or where they are
    not the whole fix, ``open_question`` says what evidence cannot show. Raises ValueError for an
    exposure with neither.
    """

    product: Product
    fixed_in: str
    criteria: tuple[Criterion, ...] = ()
    open_question: str = ""

    def __post_init__(self) -> None:
        if not self.criteria and not self.open_question:
            raise ValueError(f"{self.product}: neither criteria nor an open question")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One known vulnerability.

    ``id`` is the CVE, or a word where there is none; it never changes, because policies name it.
    ``published`` is the day of the vendor's CVE record, or as much as is known of the date.
    A product line without an exposure is not affected, for the reason that ``elsewhere`` gives.
    """

    id: str
    name: str
    bulletin: str
    published: str
    source: str
    exposures: tuple[Exposure, ...]
    elsewhere: str = ""

    def exposure(self, product: Product) -> Exposure | None:
        """How ``product`` is affected; None if it is not."""
        return next((each for each in self.exposures if each.product is product), None)
