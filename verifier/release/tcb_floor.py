"""``tcb-floor/v1``: the lowest TCB that is to be accepted, by product line, and who says so.

Source: design section 4; schemas/tcb-floor.v1.schema.json. Components: SNP ABI, TCB_VERSION.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.release.cvm_release import TcbFloor, read_floors
from verifier.release.statement import TEXT, Statement
from verifier.release.subject import named_digest, require_subjects

__all__ = ["PREDICATE_TYPE", "TcbFloors", "parse_tcb_floors"]

PREDICATE_TYPE = "urn:cvm-audit:tcb-floor:v1"


@dataclass(frozen=True, slots=True)
class TcbFloors:
    """Floors from ``since`` on. ``source`` names what they follow from, of ``source_date``."""

    floors: tuple[TcbFloor, ...]
    source: str
    source_date: datetime
    since: datetime


def parse_tcb_floors(statement: Statement) -> TcbFloors:
    """Read the predicate; each subject is a product line, by its name. Raises ParseError."""
    predicate = statement.predicate
    floors = TcbFloors(
        floors=read_floors(predicate, "floors"),
        source=predicate.text("source", pattern=TEXT),
        source_date=predicate.timestamp("sourceDate"),
        since=predicate.timestamp("since"),
    )
    predicate.end()
    if not floors.floors:
        raise predicate.refuse("floors", expected="a product line", got="none")
    products = (floor.product for floor in floors.floors)
    require_subjects(
        statement, {product: named_digest("processor", product) for product in products}
    )
    return floors
