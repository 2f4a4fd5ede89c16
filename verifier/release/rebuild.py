"""``rebuild/v1``: what came of building a logged release again, failures included.

Source: design section 4; schemas/rebuild.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.errors import ParseError
from verifier.release.cvm_release import MeasurementRow, read_measurements
from verifier.release.statement import NAME, TEXT, Statement
from verifier.tlog.json_object import JsonObject

__all__ = ["OUTCOMES", "PREDICATE_TYPE", "Rebuild", "parse_rebuild"]

PREDICATE_TYPE = "urn:cvm-audit:rebuild:v1"

OUTCOMES = ("differs", "failed", "reproduced")
"""``reproduced``: every artifact and measurement came out as released; ``differs``: something
else came out; ``failed``: nothing came out."""

_SUBJECT = "entry"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """``rebuilder`` built the release of log entry ``release`` (SHA-256 of its bytes) again.

    ``first_difference`` says where it first went another way, and is empty if and only if it was
    reproduced. ``measurements`` are those that the rebuilder obtained.
    """

    release: bytes
    rebuilder: str
    outcome: str
    first_difference: str
    measurements: tuple[MeasurementRow, ...]
    finished: datetime


def parse_rebuild(statement: Statement) -> Rebuild:
    """Read the predicate; the one subject is the entry of the release. Raises ParseError."""
    subject = statement.subjects[0]
    if len(statement.subjects) > 1 or subject.name != _SUBJECT:
        got = ", ".join(item.name for item in statement.subjects[:4])
        raise ParseError("statement.subject", expected=f"one, {_SUBJECT}", got=got)
    predicate = statement.predicate
    outcome = predicate.choice("outcome", OUTCOMES)
    rebuild = Rebuild(
        release=subject.sha256,
        rebuilder=predicate.text("rebuilder", pattern=NAME),
        outcome=outcome,
        first_difference=_first_difference(predicate, outcome),
        measurements=_measurements(predicate, outcome),
        finished=predicate.timestamp("finished"),
    )
    predicate.end()
    return rebuild


def _first_difference(predicate: JsonObject, outcome: str) -> str:
    if outcome == "reproduced":
        return ""
    return predicate.text("firstDifference", pattern=TEXT)


def _measurements(predicate: JsonObject, outcome: str) -> tuple[MeasurementRow, ...]:
    rows = read_measurements(predicate, minimum=1 if outcome == "reproduced" else 0)
    if rows and outcome == "failed":
        raise predicate.refuse(
            "measurements", expected="none of a failed build", got=str(len(rows))
        )
    return rows
