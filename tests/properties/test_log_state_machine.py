"""Random lives of a log beside a list that cannot go wrong: same indices, roots and proofs.

The list knows the entries that were acknowledged, in their order, and builds its tree naively.
A crash fails a random write of a commit (lost, persisted or delayed) and then the process, as far
as the log can tell, is gone: what was not acknowledged may be in the log or not, and nothing else
may differ.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from log_server.errors import StorageError
from log_server.log_folder import create_log, examine_folder
from log_server.sequencer import Sequencer
from log_server.source import DirectorySource
from log_server.tree import inclusion_proof
from tests.faults.faulty_log import DELAYED, LOST, PERSISTED, Faults, open_faulty
from tests.log_server.examining import require_sound, unheard
from tests.properties.naive_tree import naive_consistency, naive_inclusion, naive_root
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash, verify_consistency, verify_inclusion

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class LogMachine(RuleBasedStateMachine):
    """A log in a directory and its naive twin."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Path(tempfile.mkdtemp())
        self.root = self.work / "log"
        self.key = create_log(self.root, origin="log.test/machine", now=START)
        self.clock = START
        self.entries: dict[bytes, int] = {}
        self.hashes: list[bytes] = []
        self.heads: dict[int, bytes] = {0: naive_root([])}
        self.fresh = 0
        self.faults = Faults()
        self.open = ExitStack()
        self.sequencer = self.open.enter_context(open_faulty(self.root, Faults()))

    def teardown(self) -> None:
        self.open.close()
        shutil.rmtree(self.work)

    def _new(self, count: int) -> list[bytes]:
        self.fresh += count
        return [b"entry-%d" % number for number in range(self.fresh - count, self.fresh)]

    def _append(self, batch: list[bytes]) -> None:
        for entry in batch:
            if entry not in self.entries:
                self.entries[entry] = len(self.entries)
                self.hashes.append(leaf_hash(entry))

    def _reopen(self) -> Sequencer:
        self.open.close()
        self.open = ExitStack()
        self.sequencer = self.open.enter_context(open_faulty(self.root, Faults()))
        return self.sequencer

    def _commit(self, batch: list[bytes]) -> None:
        self._append(batch)
        self.clock += timedelta(milliseconds=3)
        done = self.sequencer.commit(batch, now=self.clock)
        assert list(done.indices) == [self.entries[entry] for entry in batch]
        self._agree(done.tree)

    def _agree(self, tree: TreeHead) -> None:
        assert tree.size == len(self.entries)
        root = naive_root(self.hashes)
        assert tree.root == root
        assert self.heads.setdefault(tree.size, root) == root

    @initialize(count=st.sampled_from([0, 1, 254, 256, 300]))
    def begin(self, count: int) -> None:
        if count:
            self._commit(self._new(count))

    @rule()
    def add_one(self) -> None:
        self._commit(self._new(1))

    @rule(count=st.integers(2, 300))
    def add_many(self, count: int) -> None:
        self._commit(self._new(count))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), fresh=st.integers(0, 3))
    def add_again(self, data: st.DataObject, fresh: int) -> None:
        old = data.draw(st.lists(st.sampled_from(sorted(self.entries)), min_size=1, max_size=5))
        new = self._new(fresh)
        self._commit(data.draw(st.permutations([*old, *new, *new])))

    @rule()
    def restart(self) -> None:
        self._agree(self._reopen().head.tree)

    @rule(
        count=st.integers(1, 300),
        at=st.integers(0, 14),
        how=st.sampled_from([LOST, PERSISTED, DELAYED]),
        lands=st.booleans(),
    )
    def crash(self, count: int, at: int, how: str, *, lands: bool) -> None:
        self.open.close()
        self.open = ExitStack()
        batch = self._new(count)
        faults = Faults(at, how)
        self.clock += timedelta(milliseconds=3)
        try:
            with open_faulty(self.root, faults) as sequencer:
                sequencer.commit(batch, now=self.clock)
                self._append(batch)
        except StorageError:
            pass  # the injected one
        if lands:
            faults.land()
        self._restart_with_or_without(batch)
        # A write may also happen under the log that runs again; a late commit makes its head one
        # that it does not know, and it must be started once more.
        faults.land()
        self._restart_with_or_without(batch)

    def _restart_with_or_without(self, batch: list[bytes]) -> None:
        tree = self._reopen().head.tree
        if tree.size > len(self.entries):
            self._append(batch)
        self._agree(tree)

    @rule()
    def fsck(self) -> None:
        self.open.close()
        examine_folder(self.root, keys=(self.key,), progress=unheard)
        require_sound(DirectorySource(self.root / "public"), self.key)
        self._reopen()

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def prove_inclusion(self, data: st.DataObject) -> None:
        tree = self.sequencer.head.tree
        index = data.draw(st.integers(0, tree.size - 1))
        read = lambda path: (self.root / "public" / path).read_bytes()  # noqa: E731 - a line
        proof = inclusion_proof(index, tree.size, read)
        assert proof == naive_inclusion(index, self.hashes)
        verify_inclusion(leaf=self.hashes[index], index=index, proof=proof, tree=tree)

    @precondition(lambda self: len(self.heads) > 1)
    @rule(data=st.data())
    def prove_consistency(self, data: st.DataObject) -> None:
        size = data.draw(st.sampled_from(sorted(set(self.heads) - {0})))
        proof = naive_consistency(size, self.hashes)
        old = TreeHead(size, self.heads[size])
        verify_consistency(old=old, new=self.sequencer.head.tree, proof=proof)

    @invariant()
    def the_published_checkpoint_is_of_this_history(self) -> None:
        for name in ("anchor", "public/checkpoint"):
            raw = (self.root / name).read_bytes()
            tree = open_checkpoint(raw, keys=(self.key,)).tree
            assert self.heads[tree.size] == tree.root


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
