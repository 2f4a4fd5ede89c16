"""A log in PostgreSQL, its sequencer, and a front end's queue, all in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.log_folder import LogFolder, create_log, open_postgresql, open_sequencer
from log_server.shared.sequencing import Sequencing
from log_server.signer import read_signers
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql_queue import FrontQueue, SequencerQueue
from log_server.witnessing import PATIENCE, Patience
from tests.postgresql import Cluster
from tests.verifier.release.stating import ORIGIN

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is: its directory and its database."""

    root: Path
    database: DatabaseUrl

    @contextmanager
    def sequencing(
        self, *, disk_floor: int = 0, patience: Patience = PATIENCE
    ) -> Iterator[Sequencing]:
        """Be elected while the block runs."""
        folder = LogFolder(self.root)
        signers = read_signers(folder.key)
        with open_postgresql(folder, self.database, origin=signers[0].key.name) as store:
            log = open_sequencer(
                folder,
                store,
                signers=signers,
                disk_floor=disk_floor,
                witness_policy=None,
                patience=patience,
            )
            yield Sequencing(
                log.sequencer,
                SequencerQueue(store.session),
                clock=lambda: NOW,
                checks=(log.sequencer.require_published,),
            )


@pytest.fixture
def place(tmp_path: Path, postgresql: Cluster) -> Place:
    made = Place(tmp_path / "log", postgresql.database())
    create_log(made.root, origin=ORIGIN, now=NOW, database=made.database)
    return made


@pytest.fixture
def queue(place: Place) -> Iterator[FrontQueue]:
    with closing(FrontQueue(place.database)) as opened:
        yield opened
