"""Fail every write of a commit, once and twice, start again, and look at everything.

After any fault: the log is sound, no acknowledged entry is missing or moved, no size was ever
published with two roots, and an entry that was not acknowledged can be submitted again.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.errors import HeadMovedError, StoppedError, StorageError
from log_server.log_folder import create_log, open_log
from log_server.source import DirectorySource
from tests.faults.faulty_log import DELAYED, LOST, PERSISTED, Faults, open_faulty
from tests.log_server.examining import require_sound
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# Over the end of a bundle, so that a commit makes full and partial files of two levels.
BEFORE = [b"before-%d" % number for number in range(250)]
BATCH = [b"batch-%d" % number for number in range(10)]


class _World:
    """A log, the entries that were acknowledged, and every checkpoint that anybody could see."""

    def __init__(self, root: Path, key: VerificationKey) -> None:
        self.root = root
        self.key = key
        self.acknowledged = {entry: index for index, entry in enumerate(BEFORE)}
        self._roots: dict[int, bytes] = {}

    def look(self) -> None:
        for path in (self.root / "anchor", self.root / "public" / "checkpoint"):
            tree = open_checkpoint(path.read_bytes(), keys=(self.key,)).tree
            assert self._roots.setdefault(tree.size, tree.root) == tree.root

    def commit(self, faults: Faults, entries: list[bytes]) -> None:
        try:
            with open_faulty(self.root, faults) as sequencer:
                done = sequencer.commit(entries, now=NOW)
                self.acknowledged |= dict(zip(entries, done.indices, strict=True))
        finally:
            self.look()

    def restore(self, backup: Path) -> None:
        """Another world that began as this one did: what happened here since is forgotten."""
        shutil.rmtree(self.root)
        shutil.copytree(backup, self.root)
        self.acknowledged = {entry: index for index, entry in enumerate(BEFORE)}
        self._roots = {}

    def examine(self) -> TreeHead:
        return require_sound(DirectorySource(self.root / "public"), self.key)

    def require_sound(self) -> None:
        self.examine()  # what clients see between the crash and the next start
        with open_log(self.root) as log:
            self.look()
            assert log.sequencer.head.tree == self.examine()
            rows = log.sequencer._store.rows(0, log.sequencer.head.tree.size)
            stored = {row.entry: row.index for row in rows}
        assert self.acknowledged.items() <= stored.items()
        assert len(stored) == len(rows)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VerificationKey]:
    root = tmp_path_factory.mktemp("template") / "log"
    key = create_log(root, origin="log.test/faults", now=NOW)
    with open_log(root) as log:
        log.sequencer.commit(BEFORE, now=NOW)
    return root, key


@pytest.fixture
def world(template: tuple[Path, VerificationKey], tmp_path: Path) -> _World:
    shutil.copytree(template[0], tmp_path / "log")
    return _World(tmp_path / "log", template[1])


POINTS = (
    "begin",
    "commit",  # persisted: the database did commit, and said that it did not
    "insert",
    "advance",
    "create tile/entries/000",
    "create tile/entries/001.p/4",
    "create tile/0/000",
    "create tile/0/001.p/4",
    "create tile/1/000.p/1",
    "anchor",
    "replace checkpoint",
)

FAULTS = [(at, how) for at in range(len(POINTS)) for how in (LOST, PERSISTED, DELAYED)]


def _names(pair: tuple[int, str]) -> str:
    return f"{POINTS[pair[0]]} {pair[1]}"


def test_the_write_points_of_a_commit(world: _World) -> None:
    faults = Faults()
    world.commit(faults, BATCH)
    assert tuple(faults.names) == POINTS
    world.require_sound()


@pytest.mark.parametrize("fault", FAULTS, ids=_names)
def test_one_fault(world: _World, fault: tuple[int, str]) -> None:
    at, how = fault
    faults = Faults(at, how)
    with pytest.raises(StorageError) as caught:
        world.commit(faults, BATCH)
    assert (caught.value.what, caught.value.got) == (POINTS[at], f"injected: {how}")
    assert BATCH[0] not in world.acknowledged
    world.require_sound()
    world.commit(Faults(), [b"other", *BATCH])
    world.require_sound()
    assert sorted(world.acknowledged.values()) == list(range(261))


DELAYED_POINTS = [(at, DELAYED) for at in range(len(POINTS))]


@pytest.mark.parametrize("fault", DELAYED_POINTS, ids=_names)
def test_a_write_that_happens_before_the_next_start(world: _World, fault: tuple[int, str]) -> None:
    faults = Faults(*fault)
    with pytest.raises(StorageError):
        world.commit(faults, BATCH)
    assert faults.land() == []
    world.look()
    world.require_sound()
    world.commit(Faults(), [b"other", *BATCH])
    world.require_sound()
    assert sorted(world.acknowledged.values()) == list(range(261))


@pytest.mark.parametrize("fault", DELAYED_POINTS, ids=_names)
def test_a_write_that_happens_long_after_the_repair(world: _World, fault: tuple[int, str]) -> None:
    # Sunlight's bug of 2024: a late write of an old tile replaced a newer one. Here a name is
    # never written twice, a late commit loses the compare-and-swap, and a late checkpoint is an
    # old one, which is true, until the next start.
    faults = Faults(*fault)
    with pytest.raises(StorageError):
        world.commit(faults, BATCH)
    world.commit(Faults(), [b"other", *BATCH])
    refused = faults.land()
    assert [type(error) for error in refused] == (
        [HeadMovedError] if POINTS[fault[0]] == "commit" else []
    )
    world.look()
    world.require_sound()
    assert sorted(world.acknowledged.values()) == list(range(261))


@pytest.mark.parametrize("fault", DELAYED_POINTS, ids=_names)
def test_a_write_that_happens_under_a_log_that_runs_again(
    world: _World, fault: tuple[int, str]
) -> None:
    faults = Faults(*fault)
    with pytest.raises(StorageError):
        world.commit(faults, BATCH)
    with open_faulty(world.root, Faults()) as sequencer:
        assert faults.land() == []
        if POINTS[fault[0]] == "commit":
            # The head is no longer the one that this sequencer knows: it signs nothing.
            with pytest.raises(HeadMovedError):
                sequencer.commit([b"other"], now=NOW)
        else:
            done = sequencer.commit([b"other", *BATCH], now=NOW)
            world.acknowledged |= dict(zip([b"other", *BATCH], done.indices, strict=True))
        world.look()
    world.require_sound()


# The states that a first fault can leave behind, each once: nothing happened, or the commit went
# as far as this.
STATES = [(0, LOST), (1, PERSISTED), *((at, PERSISTED) for at in range(4, len(POINTS)))]


@pytest.mark.parametrize("fault", STATES, ids=_names)
def test_a_second_fault_during_the_repair_of_the_first(
    world: _World, tmp_path: Path, fault: tuple[int, str]
) -> None:
    following = [b"following-%d" % number for number in range(10)]
    with pytest.raises(StorageError):
        world.commit(Faults(*fault), BATCH)
    broken = tmp_path / "broken"
    shutil.copytree(world.root, broken)
    # The write points of the start come first, then those of the next commit.
    whole = Faults()
    world.commit(whole, following)
    for at in range(len(whole.names)):
        for how in (LOST, PERSISTED, DELAYED):
            world.restore(broken)
            second = Faults(at, how)
            with pytest.raises(StorageError):
                world.commit(second, following)
            world.require_sound()
            second.land()
            world.look()
            world.commit(Faults(), BATCH)
            world.require_sound()


def test_nothing_more_is_taken_after_a_fault(world: _World) -> None:
    with open_faulty(world.root, Faults(POINTS.index("anchor"), LOST)) as sequencer:
        with pytest.raises(StorageError):
            sequencer.commit(BATCH, now=NOW)
        with pytest.raises(StoppedError) as caught:
            sequencer.commit([b"more"], now=NOW)
        assert caught.value.got == "a failed commit"
    world.require_sound()


@pytest.mark.parametrize("at", [POINTS.index("create tile/0/000"), POINTS.index("anchor")])
def test_a_repair_signs_nothing(world: _World, at: int) -> None:
    first = Faults(at, LOST)
    with pytest.raises(StorageError):
        world.commit(first, BATCH)
    assert len(first.signed) == 1
    repair = Faults()
    with open_faulty(world.root, repair) as sequencer:
        assert sequencer.head.tree.size == 260
    assert repair.signed == []
    assert (world.root / "public/checkpoint").read_text().startswith(first.signed[0])
