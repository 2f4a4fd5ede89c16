"""A log that several programs serve: what one of them needs, from the directory of the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from log_server.durable import storage_errors
from log_server.entry_queue import OpenQueue
from log_server.errors import DamagedError, LockedError
from log_server.freeze import require_not_frozen
from log_server.freshness import Freshness
from log_server.health import Check
from log_server.intake import Observer
from log_server.log_folder import LogFolder, OpenLog, open_postgresql, open_sequencer
from log_server.publication import published_file
from log_server.publisher import CHECKPOINT_PATH, Publisher
from log_server.shared.election import Campaign
from log_server.shared.front import Front
from log_server.shared.intake import SharedIntake
from log_server.shared.published import PublishedFiles
from log_server.shared.sequencing import Sequencing
from log_server.signer import read_signers
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql import PostgresqlStore
from log_server.store.postgresql_queue import SequencerQueue
from log_server.witnessing import Patience
from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey

__all__ = ["SharedLog", "share_log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLog:
    """What a server needs to be a front end of a log, and a candidate for its sequencer.

    ``published`` is the tree that is published now, since ``published_at`` (seconds since 1970).
    ``check`` raises what keeps the log from going on.
    """

    keys: tuple[VerificationKey, ...]
    publisher: Publisher
    published: TreeHead
    published_at: float
    open_queue: OpenQueue
    check: Check


def share_log(
    root: Path,
    *,
    database: DatabaseUrl,
    disk_floor: int,
    witness_policy: Path | None,
    patience: Patience,
    tell: Callable[[str], None],
) -> SharedLog:
    """Prepare to serve; nothing is locked or connected before the queue runs.

    ``tell`` gets lines for the operator, in a thread of its own. Raises FrozenError,
    DamagedError, ConfigurationError, StorageError.
    """
    folder = LogFolder(root)
    signers = read_signers(folder.key)
    require_not_frozen(folder.frozen)

    @contextmanager
    def elect(again: Callable[[LockedError], bool]) -> Iterator[Sequencing]:
        origin = signers[0].key.name
        with open_postgresql(folder, database, origin=origin, again=again) as store:
            log = open_sequencer(
                folder,
                store,
                signers=signers,
                disk_floor=disk_floor,
                witness_policy=witness_policy,
                patience=patience,
            )
            yield _sequencing(log, store, patience)

    campaign = Campaign(elect, tell=tell)
    front = Front(database, why=lambda: campaign.why)

    def open_queue(observer: Observer, stopped: Callable[[], None]) -> SharedIntake:
        return SharedIntake(front, campaign, observer=observer, stopped=stopped)

    keys = tuple(signer.key for signer in signers)
    publisher = PublishedFiles(folder.public)
    with storage_errors(CHECKPOINT_PATH):
        published_at = (folder.public / CHECKPOINT_PATH).stat().st_mtime
    return SharedLog(
        keys=keys,
        publisher=publisher,
        published=_published(publisher, keys),
        published_at=published_at,
        open_queue=open_queue,
        check=front.require_sequencer,
    )


def _sequencing(log: OpenLog, store: PostgresqlStore, patience: Patience) -> Sequencing:
    freshness = Freshness(log.sequencer.witnessing, refresh=patience.refresh, clock=time.time)
    return Sequencing(
        log.sequencer,
        SequencerQueue(store.session),
        clock=lambda: datetime.now(UTC),
        checks=(log.sequencer.require_published, freshness.require),
    )


def _published(publisher: Publisher, keys: tuple[VerificationKey, ...]) -> TreeHead:
    raw = published_file(publisher, CHECKPOINT_PATH)
    try:
        return open_checkpoint(raw, keys=keys).tree
    except (ParseError, VerificationError) as error:
        what = f"published checkpoint: {error.what}"
        raise DamagedError(what, expected=error.expected, got=error.got) from error
