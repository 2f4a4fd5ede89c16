"""Is a published log sound? The checkpoint first, then every file against its root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from log_server.errors import MissingError, OversizedError
from log_server.examination import Damage, Damages, Examination
from log_server.publisher import CHECKPOINT_PATH
from log_server.source import LogSource
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import MAX_NOTE_SIZE, VerificationKey

__all__ = ["Examined", "examine"]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was looked at: the tree that the log signed, and how many files are damaged.

    ``tree`` is None if the checkpoint itself is damaged: then nothing else was looked at.
    """

    tree: TreeHead | None
    damaged: int


def examine(
    source: LogSource,
    *,
    keys: tuple[VerificationKey, ...],
    report: Callable[[Damage], None],
    progress: Callable[[int, int], None],
) -> Examined:
    """Examine a whole log; ``report`` gets each damaged file once.

    ``progress`` gets the number of entries done and of all. Memory does not grow with the log.
    Raises FetchError if the source does not answer or has no checkpoint.
    """
    damages = Damages(report)
    tree = _open(source, keys, damages)
    if tree is not None:
        Examination(source, tree, damages, progress).run()
    return Examined(tree, len(damages.paths))


def _open(
    source: LogSource, keys: tuple[VerificationKey, ...], damages: Damages
) -> TreeHead | None:
    try:
        raw = source.fetch(CHECKPOINT_PATH, limit=MAX_NOTE_SIZE)
        return open_checkpoint(raw, keys=keys).tree
    except MissingError as error:
        raise FetchError(error.what, expected=error.expected, got=error.got) from error
    except OversizedError as error:
        damages.add(CHECKPOINT_PATH, expected=error.expected, got=error.got)
    except (ParseError, VerificationError) as error:
        got = f"{error.what}: {error.got}"
        damages.add(CHECKPOINT_PATH, expected=error.expected, got=got)
    return None
