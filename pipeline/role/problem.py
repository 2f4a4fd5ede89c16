"""What a role says when it refuses: a problem document (RFC 9457)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from verifier.errors import AuditError

__all__ = ["PROBLEM_MEDIA_TYPE", "Answer", "RefusalError", "problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"

_URN = "urn:cvm-audit:problem:"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``fields`` are further header fields."""

    status: HTTPStatus
    media_type: str
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()


class RefusalError(AuditError):
    """A request is refused with ``status`` and the problem type ``kind``, a word or a URI."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        what: str,
        *,
        expected: str,
        got: str,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(what, expected=expected, got=got)
        self.status = status
        self.kind = kind
        self.fields = fields


def problem(refusal: RefusalError) -> Answer:
    """The answer that says what was wrong, with what was expected and what came.

    Its type is ``kind`` as a URN of this project, unless that is a URI already.
    """
    document = {
        "detail": str(refusal),
        "expected": refusal.expected,
        "field": refusal.what,
        "got": refusal.got,
        "status": refusal.status.value,
        "title": refusal.status.phrase,
        "type": refusal.kind if ":" in refusal.kind else _URN + refusal.kind,
    }
    body = json.dumps(document, sort_keys=True).encode("ascii")
    return Answer(refusal.status, PROBLEM_MEDIA_TYPE, body, refusal.fields)
