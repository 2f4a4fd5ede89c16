"""Why a witness does not cosign, where the format's own errors do not say it.

AuditError
└── RefusedError            this checkpoint, or this moment, is not cosigned; nothing changed
    ├── StaleSizeError      the request starts from another size than the one cosigned last
    ├── InconsistentError   it is not shown that the checkpoint extends the one cosigned last
    └── RateError           too many requests for this log
"""

from __future__ import annotations

from verifier.errors import AuditError

__all__ = ["InconsistentError", "RateError", "RefusedError", "StaleSizeError"]


class RefusedError(AuditError):
    """The checkpoint, or the moment, is refused; nothing was stored."""


class StaleSizeError(RefusedError):
    """The request names another size than ``size``, the one that was cosigned last."""

    def __init__(self, *, size: int, got: int) -> None:
        super().__init__("old size", expected=str(size), got=str(got))
        self.size = size


class InconsistentError(RefusedError):
    """It is not shown that the checkpoint extends the one cosigned last.

    ``fork`` says that the log signed two roots for one size, which is proof against it.
    """

    def __init__(self, what: str, *, expected: str, got: str, fork: bool = False) -> None:
        super().__init__(what, expected=expected, got=got)
        self.fork = fork


class RateError(RefusedError):
    """Too many requests for this log; try again after a second."""
