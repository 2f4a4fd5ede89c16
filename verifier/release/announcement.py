"""``announcement/v1``: what will change and when, said before it does.

Source: design section 4; schemas/announcement.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.release.statement import NAME, ROLE, TEXT, Statement
from verifier.release.subject import named_digest, require_subjects

__all__ = ["CHANGES", "PREDICATE_TYPE", "Announcement", "parse_announcement"]

PREDICATE_TYPE = "urn:cvm-audit:announcement:v1"

CHANGES = (
    "cvm-release/v1",
    "host-identity/v1",
    "key-configuration/v1",
    "log-policy/v1",
    "revocation/v1",
    "service-end",
    "tcb-floor/v1",
)
"""What can be announced: an entry of a kind to come, or the end of a service."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """``change`` will come for ``role`` of ``product``, not before ``not_before``."""

    change: str
    role: str
    product: str
    not_before: datetime
    text: str


def parse_announcement(statement: Statement) -> Announcement:
    """Read the predicate; the subjects are the role and the product, by name. Raises ParseError."""
    predicate = statement.predicate
    announcement = Announcement(
        change=predicate.choice("change", CHANGES),
        role=predicate.text("role", pattern=ROLE),
        product=predicate.text("product", pattern=NAME),
        not_before=predicate.timestamp("notBefore"),
        text=predicate.text("text", pattern=TEXT),
    )
    predicate.end()
    require_subjects(
        statement,
        {
            "role": named_digest("role", announcement.role),
            "product": named_digest("product", announcement.product),
        },
    )
    return announcement
