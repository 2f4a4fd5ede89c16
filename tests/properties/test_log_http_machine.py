"""Random lives of a served log, over real sockets, beside a list that cannot go wrong.

What ``test_log_state_machine`` does to the sequencer, this does to the whole program: it is a
process that is stopped, killed and started again, and everything is asked over HTTP. The list knows
what was acknowledged, in which order, and builds its tree naively. An entry that was under way when
the process was killed may be in the log or not; nothing else may differ.

``CVM_LOG_MODEL_EXAMPLES`` says how many lives are tried; without it there are few, and always the
same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from log_server.log_folder import create_log
from log_server.source import DirectorySource
from log_server.tree import consistency_proof
from tests.log_server.examining import require_sound
from tests.properties.naive_tree import naive_consistency, naive_inclusion, naive_root
from tests.properties.served_log import ServedLog
from tests.verifier.release.stating import announcement, signed
from verifier.fetch.log import LogReader
from verifier.fetch.log_files import LogFiles
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.proof import parse_tlog_proof
from verifier.tlog.tile import (
    TILE_WIDTH,
    Tile,
    bundle_path,
    encode_bundle,
    tile_path,
    tiles_for_size,
)

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GIVEN = os.environ.get("CVM_LOG_MODEL_EXAMPLES")
TIMEOUT = 30.0

# Where the lives differ by the moment of a kill, what is drawn must not: so places are drawn as
# numbers, and are taken modulo what there is then.
PLACE = st.integers(0, 2**16 - 1)


def framed(entries: list[bytes]) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


class ServedMachine(RuleBasedStateMachine):
    """A served log and its naive twin."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Path(tempfile.mkdtemp())
        self.key = create_log(self.work / "log", origin="log.test/served", now=START)
        self.order: list[bytes] = []
        self.entries: dict[bytes, int] = {}
        self.hashes: list[bytes] = []
        self.sizes = {0}
        self.fresh = 0
        self.session = requests.Session()
        self.server = ServedLog(self.work / "log")

    def teardown(self) -> None:
        self.session.close()
        self.server.stop()
        tree = require_sound(DirectorySource(self.work / "log" / "public"), self.key)
        self._agree(tree)
        shutil.rmtree(self.work)

    def _new(self, count: int) -> list[bytes]:
        self.fresh += count
        return [b"entry-%d" % number for number in range(self.fresh - count, self.fresh)]

    def _append(self, batch: list[bytes]) -> list[int]:
        for entry in batch:
            if entry not in self.entries:
                self.entries[entry] = len(self.order)
                self.order.append(entry)
                self.hashes.append(leaf_hash(entry))
        self.sizes.add(len(self.order))
        return [self.entries[entry] for entry in batch]

    def _agree(self, tree: TreeHead, *, size: int | None = None) -> None:
        size = len(self.order) if size is None else size
        assert tree == TreeHead(size, naive_root(self.hashes[:size]))

    def _post(self, path: str, body: bytes) -> requests.Response:
        headers = {"Content-Type": "application/json"} if path == "v1/entries" else {}
        return self.session.post(
            f"{self.server.url}/{path}", data=body, headers=headers, timeout=TIMEOUT
        )

    def _get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.server.url}/{path}", timeout=TIMEOUT)

    def _read(self, path: str) -> bytes:
        answer = self._get(path)
        assert answer.status_code == 200, path
        return answer.content

    def _add_batch(self, batch: list[bytes]) -> None:
        answer = self._post("v1/batch", framed(batch)).json()
        assert answer["indices"] == self._append(batch)
        self._agree(open_checkpoint(answer["checkpoint"].encode(), keys=(self.key,)).tree)

    @initialize(count=st.sampled_from([0, 1, 254, 256, 300]))
    def begin(self, count: int) -> None:
        if count:
            self._add_batch(self._new(count))

    @rule()
    def add(self) -> None:
        (entry,) = self._new(1)
        answer = self._post("add", entry)
        assert (answer.status_code, answer.text) == (200, str(len(self.order)))
        self._append([entry])

    @rule(count=st.integers(1, 300))
    def add_batch(self, count: int) -> None:
        self._add_batch(self._new(count))

    @rule(places=st.lists(PLACE, min_size=1, max_size=5), fresh=st.integers(1, 3), order=PLACE)
    def add_again(self, places: list[int], fresh: int, order: int) -> None:
        old = [self.order[place % len(self.order)] for place in places if self.order]
        for entry in old[:1]:
            assert self._post("add", entry).text == str(self.entries[entry])
        batch = [*old, *self._new(fresh) * 2]
        Random(order).shuffle(batch)
        self._add_batch(batch)

    @rule(number=st.integers(0, 5))
    def add_typed(self, number: int) -> None:
        entry = signed(announcement(text=f"version {number}.0.0"))
        answer = self._post("v1/entries", entry)
        assert answer.status_code == 200
        (index,) = self._append([entry])
        assert answer.json()["index"] == index
        proof = parse_tlog_proof(answer.json()["proof"].encode())
        assert (proof.index, proof.hashes) == (index, naive_inclusion(index, self.hashes))
        self._agree(open_checkpoint(proof.checkpoint_raw, keys=(self.key,)).tree)

    @rule(
        path_and_body=st.sampled_from(
            [
                ("add", b"", 400),
                ("add", bytes(65_536), 413),
                ("v1/batch", b"\x00", 400),
                ("v1/batch", framed([b"good", b""]), 400),
                ("v1/entries", b"{}", 400),
                ("v1/nothing", b"entry", 404),
            ]
        )
    )
    def refuse(self, path_and_body: tuple[str, bytes, int]) -> None:
        path, body, status = path_and_body
        assert self._post(path, body).status_code == status

    @rule()
    def restart(self) -> None:
        self.server.stop()
        self._start()

    @rule()
    def kill(self) -> None:
        self.server.kill()
        self._start()

    @rule(clients=st.integers(1, 6), seconds=st.floats(0, 0.03))
    def kill_under_load(self, clients: int, seconds: float) -> None:
        batches = [self._new(40) for _ in range(clients)]
        with ThreadPoolExecutor(clients) as threads:
            asked = [threads.submit(self._try_add, batch) for batch in batches]
            time.sleep(seconds)
            self.server.kill()
            answers = [one.result() for one in asked]
        self._start()
        before = len(self.order)
        self._append(self._logged(start=before))
        # Nothing is there that nobody sent, or twice, and each batch whole or not at all.
        landed = [batch for batch in batches if batch[0] in self.entries]
        assert sorted(self.order[before:]) == sorted(entry for one in landed for entry in one)
        for batch, indices in zip(batches, answers, strict=True):
            assert indices is None or indices == [self.entries[entry] for entry in batch]

    def _try_add(self, batch: list[bytes]) -> list[int] | None:
        try:
            answer = requests.post(
                f"{self.server.url}/v1/batch", data=framed(batch), timeout=TIMEOUT
            )
        except requests.RequestException:
            return None
        indices: list[int] = answer.json()["indices"]
        return indices

    def _start(self) -> None:
        self.session.close()
        self.server = ServedLog(self.work / "log")

    def _logged(self, *, start: int) -> list[bytes]:
        size = open_checkpoint(self._read("checkpoint"), keys=(self.key,)).tree.size
        reader = LogReader(LogFiles(self.server.url))
        return [reader.fetch_entry(index).entry for index in range(start, size)]

    @rule(place=PLACE)
    def read_tiles(self, place: int) -> None:
        size = sorted(self.sizes)[place % len(self.sizes)]
        for tile in tiles_for_size(size):
            assert self._read(tile_path(tile)) == self._tile(tile)
            if tile.level == 0:
                start = tile.index * TILE_WIDTH
                entries = self.order[start : start + tile.width]
                path = bundle_path(tile.index, tile.width)
                assert self._read(path) == encode_bundle(entries)
        beyond = len(self.order) // TILE_WIDTH
        assert self._get(tile_path(Tile(0, beyond))).status_code == 404
        assert self._get(bundle_path(beyond)).status_code == 404

    def _tile(self, tile: Tile) -> bytes:
        span = TILE_WIDTH**tile.level
        starts = range(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width)
        return b"".join(naive_root(self.hashes[n * span : (n + 1) * span]) for n in starts)

    @rule(place=PLACE)
    def prove_inclusion(self, place: int) -> None:
        if not self.order:
            return
        index = place % len(self.order)
        logged = LogReader(LogFiles(self.server.url)).fetch_entry(index)
        assert logged.entry == self.order[index]
        assert parse_tlog_proof(logged.proof).hashes == naive_inclusion(index, self.hashes)

    @rule(places=st.tuples(PLACE, PLACE))
    def prove_consistency(self, places: tuple[int, int]) -> None:
        sizes = sorted(self.sizes - {0})
        if not sizes:
            return
        old, new = sorted(sizes[place % len(sizes)] for place in places)
        proof = consistency_proof(old, new, self._read)
        assert proof == naive_consistency(old, self.hashes[:new])

    @invariant()
    def the_checkpoint_is_of_this_history(self) -> None:
        self._agree(open_checkpoint(self._read("checkpoint"), keys=(self.key,)).tree)


TestServedMachine = ServedMachine.TestCase
TestServedMachine.settings = settings(
    max_examples=int(GIVEN) if GIVEN else 12,
    stateful_step_count=15,
    derandomize=GIVEN is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
