"""Where errors of a drive become what was seen: the one boundary between raising and going on."""

from __future__ import annotations

from collections.abc import Callable

from verifier.appraisal.drive.driven import Seen, stopped
from verifier.errors import AuditError

__all__ = ["attempt"]


def attempt(step: Callable[[], Seen]) -> Seen:
    """What ``step`` saw, or what stopped it; any other exception is our bug and passes through."""
    try:
        return step()
    except AuditError as error:
        return stopped(error)
