"""Shared by the tests of the log: what ``fsck`` finds, without a terminal."""

from __future__ import annotations

import pytest

from log_server.fsck import examine
from log_server.source import LogSource
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey

__all__ = ["require_sound", "unheard"]


def unheard(done: int, size: int) -> None:
    """Progress that nobody looks at."""
    del done, size


def require_sound(source: LogSource, key: VerificationKey) -> TreeHead:
    """The tree of a log in which nothing is damaged."""
    examined = examine(
        source,
        keys=(key,),
        report=lambda damage: pytest.fail(str(damage)),
        progress=unheard,
    )
    assert examined.damaged == 0
    assert examined.tree is not None
    return examined.tree
