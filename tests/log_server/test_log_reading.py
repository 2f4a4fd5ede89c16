"""What the read path keeps in memory, how much and how long."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
import tracemalloc
from collections.abc import Awaitable, Iterable
from datetime import datetime
from pathlib import Path

import pytest
import requests

from log_server import reading
from log_server.errors import NotFoundError
from log_server.exchange import Answer, Request
from log_server.log_folder import OpenLog
from log_server.publisher import File
from log_server.reading import CACHE_BYTES, KEPT_SECONDS, ReadPath
from tests.log_server.conftest import Serve

TILE = "tile/0/000"
BUNDLE = "tile/entries/000"


class Published:
    """A publisher in memory that counts what is read."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.reads = 0

    def create(self, files: Iterable[File]) -> None:
        self.files.update(files)

    def replace(self, path: str, content: bytes) -> None:
        self.files[path] = content

    def read(self, path: str) -> bytes | None:
        self.reads += 1
        return self.files.get(path)

    def size(self, path: str) -> int | None:
        content = self.files.get(path)
        return None if content is None else len(content)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(published: Published, clock: Clock) -> ReadPath:
    return ReadPath(published, clock=clock)


def _ask(path: ReadPath, resource: str, accepted: str = "") -> Answer | Awaitable[Answer]:
    headers = {"accept-encoding": accepted} if accepted else {}
    return path.tile(Request("GET", f"/{resource}", "", headers, b""))


def _now(path: ReadPath, resource: str, accepted: str = "") -> Answer:
    answer = _ask(path, resource, accepted)
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("resource", [TILE, f"{TILE}.p/5", BUNDLE, f"{BUNDLE}.p/5"])
def test_a_file_is_read_again_after_a_while(
    path: ReadPath, published: Published, clock: Clock, resource: str
) -> None:
    published.files[resource] = b"one"
    assert _now(path, resource).body == b"one"
    published.files[resource] = b"two"  # which only damage can do
    clock.now += KEPT_SECONDS - 0.01
    assert (_now(path, resource).body, published.reads) == (b"one", 1)
    clock.now += 0.01
    assert (_now(path, resource).body, published.reads) == (b"two", 2)
    del published.files[resource]
    clock.now += KEPT_SECONDS
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            _ask(path, resource)
        assert caught.value.got == f"'{resource}'"


def test_a_bundle_is_compressed_again_only_if_it_changed(
    path: ReadPath, published: Published, clock: Clock
) -> None:
    published.files[BUNDLE] = b"one" * 100
    first = _now(path, BUNDLE, "gzip")
    assert gzip.decompress(first.body) == b"one" * 100
    clock.now += KEPT_SECONDS
    assert _now(path, BUNDLE, "gzip") is first
    assert published.reads == 2
    published.files[BUNDLE] = b"two" * 100
    assert _now(path, BUNDLE, "gzip") is first
    clock.now += KEPT_SECONDS
    assert gzip.decompress(_now(path, BUNDLE, "gzip").body) == b"two" * 100


def test_the_checkpoint_is_never_kept(path: ReadPath, published: Published) -> None:
    request = Request("GET", "/checkpoint", "", {}, b"")
    for content in (b"one", b"two"):
        published.replace("checkpoint", content)
        assert path.checkpoint(request).body == content


def test_what_is_kept_is_bounded(path: ReadPath, published: Published, clock: Clock) -> None:
    def reads(resource: str) -> int:
        before = published.reads
        _ask(path, resource)
        assert path.cached_bytes <= CACHE_BYTES
        return published.reads - before

    names = [f"tile/0/{index:03}" for index in range(200)]
    published.files.update((name, bytes(400_000)) for name in names)
    assert [reads(name) for name in names] == [1] * 200
    assert path.cached_bytes > CACHE_BYTES - 500_000
    # What is fresh stays, and what came too late is not kept.
    assert (reads(names[0]), reads(names[-1]), reads(names[-1])) == (0, 1, 1)
    # What is old makes room, the oldest first.
    clock.now += KEPT_SECONDS
    assert (reads(names[-1]), reads(names[-1])) == (1, 0)
    clock.now -= KEPT_SECONDS
    assert (reads(names[1]), reads(names[0])) == (0, 1)


def test_one_large_file_does_not_displace_all_others(path: ReadPath, published: Published) -> None:
    published.files[TILE] = b"small"
    published.files[BUNDLE] = bytes(CACHE_BYTES // 8)
    for _ in range(2):
        for resource in (TILE, BUNDLE):
            assert _now(path, resource).body == published.files[resource]
    assert published.reads == 3
    assert path.cached_bytes < 2000


def test_small_ones_are_counted_with_what_keeps_them(
    path: ReadPath, published: Published, clock: Clock
) -> None:
    names = [f"tile/0/x{number // 255:03}/000.p/{number % 255 + 1}" for number in range(20, 9_020)]
    names = [name for name in names if "/x000/" not in name]
    published.files.update((name, bytes([number % 256])) for number, name in enumerate(names))
    tracemalloc.start()
    try:
        for name in names:
            _ask(path, name)
            clock.now += 1e-6
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(names) > 8000
    assert used < path.cached_bytes


def test_few_bundles_are_compressed_at_once(path: ReadPath, published: Published) -> None:
    content = random.Random(1).randbytes(100_000)
    names = [f"tile/entries/00{number}" for number in range(4)]
    published.files.update((name, content) for name in names)

    async def ask() -> None:
        first, second, third = (_ask(path, name, "gzip") for name in names[:3])
        assert isinstance(third, Answer)
        assert third.body == content
        assert dict(third.headers)["Vary"] == "Accept-Encoding"
        assert "Content-Encoding" not in dict(third.headers)
        for waiting in (first, second):
            assert not isinstance(waiting, Answer)
            assert gzip.decompress((await waiting).body) == content
        # They are done: the next ones are compressed again, and kept.
        waiting = _ask(path, names[2], "gzip")
        assert not isinstance(waiting, Answer)
        answer = await waiting
        assert dict(answer.headers)["Content-Encoding"] == "gzip"
        assert _ask(path, names[2], "gzip") is answer

    asyncio.run(ask())


def test_damage_on_the_disk_of_a_running_server_is_seen(
    open_test_log: OpenLog,
    log_root: Path,
    serving: Serve,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "KEPT_SECONDS", 0.2)
    open_test_log.sequencer.commit([b"%d" % number for number in range(256)], now=now)
    with serving(open_test_log) as url:
        for resource in (TILE, BUNDLE):
            sound = requests.get(f"{url}/{resource}", timeout=10).content
            with (log_root / "public" / resource).open("r+b") as file:
                file.write(bytes([sound[0] ^ 1]))
                os.fsync(file.fileno())
            time.sleep(0.25)
            damaged = requests.get(f"{url}/{resource}", timeout=10).content
            assert damaged == bytes([sound[0] ^ 1]) + sound[1:]
