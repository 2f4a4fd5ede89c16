from __future__ import annotations

import random
import shutil
import tarfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from log_server.examination import Damage
from log_server.fsck import Examined, examine
from log_server.log_folder import OpenLog, create_log, open_log
from log_server.signer import read_key, sign_checkpoint
from log_server.source import DirectorySource, HttpSource
from log_server.tree import EMPTY_EDGE, grow
from tests.log_server.conftest import Serve
from tests.log_server.examining import unheard
from verifier.errors import FetchError
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.note import VerificationKey, parse_vkey
from verifier.tlog.tile import (
    bundle_path,
    bundles_for_size,
    parse_bundle,
    tile_path,
    tiles_for_size,
)

# ../shared/vectors/tlog/README.md: written by Tessera POSIX v1.0.2.
TESSERA_KEY = parse_vkey(
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
)
TESSERA_ROOT = "364d7134f206321bbc62b0adb935c52789e0254dd7569a9f0825d027dcc528c6"
TESSERA_SIZE = 70_000


def _examine(root: Path, key: VerificationKey) -> tuple[Examined, list[Damage]]:
    damages: list[Damage] = []
    examined = examine(DirectorySource(root), keys=(key,), report=damages.append, progress=unheard)
    assert examined.damaged == len(damages)
    return examined, damages


def _paths(root: Path, key: VerificationKey) -> list[str]:
    return sorted(damage.path for damage in _examine(root, key)[1])


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _resources(size: int) -> list[str]:
    tiles = [tile_path(tile) for tile in tiles_for_size(size)]
    return tiles + [bundle_path(bundle.index, bundle.width) for bundle in bundles_for_size(size)]


@pytest.fixture(scope="module")
def tessera(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tessera")
    with tarfile.open(vectors / "tlog/generated/tessera_posix_70000.tar.gz") as archive:
        # Not extractall: its safe form is missing from some 3.11, its bare form warns from 3.12 on.
        for member in archive.getmembers():
            path = root / member.name
            content = archive.extractfile(member)
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    return root


@pytest.fixture
def small(tmp_path: Path, now: datetime) -> tuple[Path, VerificationKey]:
    """A published log of 600 entries in three batches, so with older partial files."""
    key = create_log(tmp_path / "small", origin="log.test/small", now=now)
    with open_log(tmp_path / "small") as log:
        for start, end in ((0, 100), (100, 520), (520, 600)):
            entries = [b"entry-%d" % number for number in range(start, end)]
            log.sequencer.commit(entries, now=now)
    return tmp_path / "small" / "public", key


def test_the_genuine_log_is_sound(tessera: Path) -> None:
    examined, damages = _examine(tessera, TESSERA_KEY)
    assert damages == []
    assert examined.tree == TreeHead(TESSERA_SIZE, bytes.fromhex(TESSERA_ROOT))


def _sample() -> list[str]:
    # Every file of the right edge and of the levels above 0, and some of the many below.
    resources = _resources(TESSERA_SIZE)
    few = [path for path in resources if ".p/" in path or path.startswith(("tile/1", "tile/2"))]
    many = [path for path in resources if path not in few]
    ends = [path for path in many if path.endswith(("/000", "/255", "/256", "/272"))]
    return sorted({*few, *ends, *random.Random(3).sample(many, 28)})


def test_the_sample_is_large_and_of_every_kind() -> None:
    sample = _sample()
    assert len(sample) >= 40
    kinds = {path.split("/")[1] for path in sample}
    assert kinds == {"0", "1", "2", "entries"}


@pytest.mark.parametrize("path", _sample())
def test_a_flipped_byte_is_reported_by_the_path_of_its_file(tessera: Path, path: str) -> None:
    file = tessera / path
    at = random.Random(path).randrange(file.stat().st_size)
    _flip(file, at)
    try:
        assert _paths(tessera, TESSERA_KEY) == [path]
    finally:
        _flip(file, at)


def test_each_byte_of_every_kind_of_file(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    for path in _resources(600):
        size = (root / path).stat().st_size
        for at in {0, 1, 31, 32, size // 2, size - 1}:
            _flip(root / path, at)
            assert _paths(root, key) == [path], (path, at)
            _flip(root / path, at)
    assert _paths(root, key) == []


def test_every_missing_file_is_reported(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    for path in _resources(600):
        (root / path).rename(root / "away")
        (damage,) = _examine(root, key)[1]
        assert (damage.path, damage.expected, damage.got) == (path, "a file", "none")
        (root / "away").rename(root / path)


def test_every_oversized_or_cut_off_file_is_reported(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    for path in _resources(600):
        content = (root / path).read_bytes()
        for changed in (content + b"\x00", content[:-1], b""):
            (root / path).write_bytes(changed)
            assert _paths(root, key) == [path]
        (root / path).write_bytes(content)


def test_a_file_without_end_is_not_read_to_its_end(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    with (root / "tile/0/000").open("r+b") as file:
        file.truncate(2**40)
    (damage,) = _examine(root, key)[1]
    assert (damage.path, damage.expected) == ("tile/0/000", "at most 8192 bytes")


def test_all_files_damaged_at_once(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    for path in _resources(600):
        _flip(root / path, 40)
    assert set(_paths(root, key)) >= set(_resources(600))


def test_several_damaged_files(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    for damaged in (
        ["tile/0/000", "tile/entries/001"],
        ["tile/0/002.p/88", "tile/entries/000"],
        ["tile/1/000.p/2", "tile/entries/002.p/88"],
        ["tile/0/000", "tile/entries/000"],
    ):
        for path in damaged:
            _flip(root / path, 5)
        assert set(_paths(root, key)) >= set(damaged)
        for path in damaged:
            _flip(root / path, 5)


def _older_partials(root: Path) -> list[str]:
    current = set(_resources(600))
    found = {str(path.relative_to(root)) for path in (root / "tile").rglob("*") if path.is_file()}
    return sorted(found - current)


def test_older_partial_files(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    older = _older_partials(root)
    assert "tile/0/000.p/100" in older
    assert "tile/entries/002.p/8" in older
    for path in older:
        _flip(root / path, -1)
        assert _paths(root, key) == [path]
        _flip(root / path, -1)


def test_a_deleted_partial_may_be_read_from_the_full_file(
    small: tuple[Path, VerificationKey], now: datetime
) -> None:
    root, key = small
    checkpoint = (root / "checkpoint").read_bytes()
    with open_log(root.parent) as log:
        log.sequencer.commit([b"more-%d" % number for number in range(500)], now=now)
    (root / "checkpoint").write_bytes(checkpoint)
    for partial in (root / "tile").rglob("*.p"):
        if partial.with_suffix("").exists():
            shutil.rmtree(partial)
    examined, damages = _examine(root, key)
    assert damages == []
    assert examined.tree is not None
    assert examined.tree.size == 600


def test_a_rewritten_history_is_blamed_on_the_rewritten_files(
    small: tuple[Path, VerificationKey],
) -> None:
    # Entry 3 is exchanged and everything below the top is made to agree with it.
    root, key = small
    entries = [b"entry-%d" % number for number in range(600)]
    entries[3] = b"forged"
    forged = dict(grow(EMPTY_EDGE, entries=entries, leaf_hashes=map_hash(entries)).files)
    for path in ("tile/entries/000", "tile/0/000"):
        (root / path).write_bytes(forged[path])
    older = [path for path in _older_partials(root) if path.split("/")[2].startswith("000")]
    assert set(_paths(root, key)) - set(older) == {"tile/0/000", "tile/entries/000"}
    # And the top as well: only the signed root is left to disagree.
    (root / "tile/1/000.p/2").write_bytes(forged["tile/1/000.p/2"])
    assert "checkpoint" in _paths(root, key)


def map_hash(entries: list[bytes]) -> list[bytes]:
    return [leaf_hash(entry) for entry in entries]


def test_a_signed_root_of_other_entries(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    signer = read_key(root.parent / "log.key")
    checkpoint = Checkpoint(origin="log.test/small", tree=TreeHead(600, b"r" * 32), extensions=())
    (root / "checkpoint").write_bytes(sign_checkpoint(checkpoint, (signer,)))
    (damage,) = _examine(root, key)[1]
    assert damage.path == "checkpoint"
    assert damage.expected == f"root {(b'r' * 32).hex()}, which it signs"
    assert damage.got.endswith(" of the entries")


def test_a_checkpoint_that_the_key_did_not_sign(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    raw = (root / "checkpoint").read_bytes()
    (root / "checkpoint").write_bytes(raw.replace(b"\n600\n", b"\n599\n"))
    examined, (damage,) = _examine(root, key)
    assert examined == Examined(None, 1)
    assert damage.path == "checkpoint"
    assert "a signature that does not verify" in damage.got
    (root / "checkpoint").write_bytes(b"no note")
    assert _paths(root, key) == ["checkpoint"]
    (root / "checkpoint").write_bytes(bytes(2**20))
    assert _paths(root, key) == ["checkpoint"]


def test_no_checkpoint(small: tuple[Path, VerificationKey]) -> None:
    root, key = small
    (root / "checkpoint").unlink()
    with pytest.raises(FetchError) as caught:
        _examine(root, key)
    assert (caught.value.what, caught.value.got) == ("checkpoint", "none")


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537])
def test_sizes_at_the_borders(tmp_path: Path, now: datetime, size: int) -> None:
    key = create_log(tmp_path / "log", origin="log.test/border", now=now)
    with open_log(tmp_path / "log") as log:
        entries = [b"%d" % number for number in range(size)]
        if entries:
            log.sequencer.commit(entries, now=now)
    done: list[tuple[int, int]] = []
    examined = examine(
        DirectorySource(tmp_path / "log" / "public"),
        keys=(key,),
        report=lambda damage: pytest.fail(str(damage)),
        progress=lambda count, all_of: done.append((count, all_of)),
    )
    assert examined.tree is not None
    assert examined.tree.size == size
    assert done[-1:] == ([(size, size)] if size else [])


def test_over_http(open_test_log: OpenLog, log_root: Path, serving: Serve, now: datetime) -> None:
    entries = [b"entry-%d" % number for number in range(3000)]
    open_test_log.sequencer.commit(entries, now=now)
    public = log_root / "public"
    for damaged in ([], ["tile/0/007", "tile/entries/010"]):
        for path in damaged:
            _flip(public / path, 5)
        # A server each: it may remember what it has served.
        with serving(open_test_log) as url:
            examined, damages = _examine_url(url, open_test_log.keys)
        assert examined.tree == open_test_log.sequencer.head.tree
        assert sorted(damage.path for damage in damages) == damaged
    (public / "tile/0/003").unlink()
    with serving(open_test_log) as url:
        _, damages = _examine_url(url, open_test_log.keys)
    assert [damage.got for damage in damages if damage.path == "tile/0/003"] == ["404"]


def _examine_url(url: str, keys: tuple[VerificationKey, ...]) -> tuple[Examined, list[Damage]]:
    damages: list[Damage] = []
    with closing(HttpSource(url)) as source:
        examined = examine(source, keys=keys, report=damages.append, progress=unheard)
    return examined, damages


def test_a_log_of_the_same_entries_is_the_same_bytes(
    tessera: Path, tmp_path: Path, now: datetime
) -> None:
    # In the order of the vector's bundles, which is that of its batches.
    entries: list[bytes] = []
    for bundle in bundles_for_size(TESSERA_SIZE):
        raw = (tessera / bundle_path(bundle.index, bundle.width)).read_bytes()
        entries += parse_bundle(raw, width=bundle.width)
    assert sorted(entries) == sorted(b"leaf-%d" % number for number in range(TESSERA_SIZE))
    create_log(tmp_path / "log", origin="example.com/log/testdata", now=now)
    with open_log(tmp_path / "log") as log:
        start = 0
        for count in (1, 255, 300, 4096, 20_000, TESSERA_SIZE):
            log.sequencer.commit(entries[start : start + count], now=now)
            start += count
        assert log.sequencer.head.tree == TreeHead(TESSERA_SIZE, bytes.fromhex(TESSERA_ROOT))
    for path in _resources(TESSERA_SIZE):
        ours = (tmp_path / "log" / "public" / path).read_bytes()
        assert ours == (tessera / path).read_bytes(), path
