"""The folder that a verb works in: one that was asked for and stays, or a temporary one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from verifier.drive.leftovers import claimed, sweep
from verifier.errors import FetchError
from verifier.rebuild.workspace import workspace

__all__ = ["work_folder"]


@contextmanager
def work_folder(asked: Path | None, *, of: str) -> Iterator[Path]:
    """As ``workspace``. What a killed verb leaves of a temporary one, a later one removes."""
    with workspace(asked, of=of) as work, ExitStack() as stack:
        try:
            if asked is None:
                sweep(work.parent)
                stack.enter_context(claimed(work))
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise FetchError(str(work), expected="a folder to work in", got=got) from None
        yield work
