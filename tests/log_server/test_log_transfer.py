"""Export, import and freeze: a log leaves its directory, comes back, and ends."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from log_server.errors import (
    ConfigurationError,
    DamagedError,
    ForkedError,
    FrozenError,
    LogError,
    RolledBackError,
)
from log_server.freeze import MAX_REASON, freeze
from log_server.log_folder import create_log, open_log
from log_server.signer import read_signers
from log_server.source import DirectorySource
from log_server.transfer import export_log, import_log
from tests.log_server.examining import require_sound
from tests.log_server.foreign import publish_foreign
from verifier.tlog.note import VerificationKey
from verifier.tlog.tile import bundle_path, bundles_for_size, tile_path, tiles_for_size


@pytest.fixture
def filled(log_root: Path, now: datetime) -> Path:
    with open_log(log_root) as log:
        for start, end in ((0, 100), (100, 520), (520, 600)):
            entries = [b"entry-%d" % number for number in range(start, end)]
            log.sequencer.commit(entries, now=now)
    return log_root


@pytest.fixture
def exported(filled: Path, tmp_path: Path) -> Path:
    export_log(filled, tmp_path / "exported")
    return tmp_path / "exported"


def _tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def _import(
    exported: Path, root: Path, key: VerificationKey, now: datetime, *, newest: Path | None = None
) -> None:
    import_log(
        exported,
        root,
        key_file=exported.parent / "log" / "log.key",
        keys=(key,),
        newest=(newest or exported / "checkpoint").read_bytes(),
        now=now,
    )


def test_an_export_holds_what_the_newest_size_needs(
    filled: Path, exported: Path, log_key: VerificationKey
) -> None:
    wanted = {tile_path(tile) for tile in tiles_for_size(600)}
    wanted |= {bundle_path(bundle.index, bundle.width) for bundle in bundles_for_size(600)}
    found = _tree(exported)
    assert set(found) == wanted | {"checkpoint"}
    assert found.items() <= _tree(filled / "public").items()
    assert require_sound(DirectorySource(exported), log_key).size == 600
    assert exported.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in exported.parent.iterdir()) == ["exported", "log"]


def test_an_empty_log(log_root: Path, log_key: VerificationKey, now: datetime) -> None:
    out, back = log_root.parent / "out", log_root.parent / "back"
    assert export_log(log_root, out)[0].size == 0
    assert list(_tree(out)) == ["checkpoint"]
    _import(out, back, log_key, now)
    with open_log(back) as log:
        assert log.sequencer.commit([b"one"], now=now).indices == (0,)


def test_an_export_of_a_running_log(filled: Path, tmp_path: Path, now: datetime) -> None:
    with open_log(filled) as log:
        log.sequencer.commit([b"more"], now=now)
        tree, keys = export_log(filled, tmp_path / "exported")
        assert (tree.size, keys) == (601, log.keys)


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/000", "tile/1/000.p/2"])
def test_a_damaged_log_is_not_exported(filled: Path, tmp_path: Path, name: str) -> None:
    path = filled / "public" / name
    content = bytearray(path.read_bytes())
    content[9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        export_log(filled, tmp_path / "exported")
    assert caught.value.what == name
    path.unlink()
    with pytest.raises(DamagedError) as missing:
        export_log(filled, tmp_path / "exported")
    assert (missing.value.what, missing.value.got) == (name, "none")
    assert [entry.name for entry in tmp_path.iterdir()] == ["log"]


def test_an_export_overwrites_nothing(filled: Path, exported: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        export_log(filled, exported)
    assert (caught.value.expected, caught.value.got) == ("a new directory", "an existing one")


def test_an_imported_log_goes_on(
    filled: Path, exported: Path, log_key: VerificationKey, now: datetime
) -> None:
    back = filled.parent / "back"
    _import(exported, back, log_key, now)
    assert (back / "log.key").stat().st_mode & 0o777 == 0o600
    assert (back / "anchor").read_bytes() == (filled / "anchor").read_bytes()
    assert _tree(back / "public") == _tree(exported)
    for root in (filled, back):
        with open_log(root) as log:
            done = log.sequencer.commit([b"entry-7", b"new"], now=now + timedelta(seconds=1))
            assert done.indices == (7, 600)
    # Ed25519 is deterministic: the same log, byte for byte.
    assert (back / "public/checkpoint").read_bytes() == (filled / "public/checkpoint").read_bytes()
    require_sound(DirectorySource(back / "public"), log_key)


def test_an_export_older_than_what_is_known(
    filled: Path, exported: Path, log_key: VerificationKey, now: datetime
) -> None:
    with open_log(filled) as log:
        log.sequencer.commit([b"later"], now=now)
    with pytest.raises(RolledBackError) as caught:
        _import(exported, filled.parent / "back", log_key, now, newest=filled / "anchor")
    assert (caught.value.expected, caught.value.got) == (
        "at least size 601 of the anchor",
        "size 600",
    )
    assert not (filled.parent / "back").exists()


def test_an_export_of_a_fork(
    filled: Path, exported: Path, log_key: VerificationKey, now: datetime
) -> None:
    twin = filled.parent / "twin"
    _import(exported, twin, log_key, now)
    for root, count in ((filled, 1), (twin, 2)):
        with open_log(root) as log:
            entries = [f"{root.name}-{number}".encode() for number in range(count)]
            log.sequencer.commit(entries, now=now)
    out = filled.parent / "twins-export"
    export_log(twin, out)
    with pytest.raises(ForkedError) as caught:
        _import(out, filled.parent / "back", log_key, now, newest=filled / "anchor")
    assert caught.value.what == "database and anchor fork at size 601"
    assert not (filled.parent / "back").exists()


def _refused_import(exported: Path, key: VerificationKey, now: datetime) -> LogError:
    with pytest.raises(LogError) as caught:
        _import(exported, exported.parent / "back", key, now)
    assert sorted(path.name for path in exported.parent.iterdir()) == ["exported", "log"]
    return caught.value


@pytest.mark.parametrize("name", ["checkpoint", "tile/entries/002.p/88", "tile/0/001"])
def test_a_damaged_export_is_not_imported(
    exported: Path, log_key: VerificationKey, now: datetime, name: str
) -> None:
    content = bytearray((exported / name).read_bytes())
    content[20] ^= 1
    (exported / name).write_bytes(content)
    refusal = _refused_import(exported, log_key, now)
    assert isinstance(refusal, DamagedError)
    assert refusal.what == name


def test_another_key(exported: Path, now: datetime) -> None:
    other = create_log(exported.parent / "x", origin="log.test/one", now=now)
    shutil.rmtree(exported.parent / "x")
    refusal = _refused_import(exported, other, now)
    assert isinstance(refusal, ConfigurationError)
    assert (refusal.what, refusal.expected) == ("log.key", str(other))


def test_a_newest_checkpoint_of_nobody(
    exported: Path, log_key: VerificationKey, now: datetime
) -> None:
    raw = (exported / "checkpoint").read_bytes()
    forged = exported / "forged"
    forged.write_bytes(raw.replace(b"\n600\n", b"\n599\n"))
    with pytest.raises(DamagedError) as caught:
        _import(exported, exported.parent / "back", log_key, now, newest=forged)
    assert caught.value.what == "newest known checkpoint: signature of log.test/one"


def test_a_frozen_log_takes_nothing_and_is_read(
    filled: Path, log_key: VerificationKey, now: datetime
) -> None:
    with open_log(filled) as log:
        tree = log.sequencer.head.tree
        freeze(log.folder.frozen, tree=tree, reason="the shard is full", now=now)
    before = _tree(filled)
    with pytest.raises(FrozenError) as caught, open_log(filled):
        pytest.fail("the log opened")
    assert caught.value.what == "log is frozen"
    assert caught.value.got == "'size 600 since 2026-01-02T03:04:05Z: the shard is full'"
    assert "stay readable" in caught.value.hint
    assert _tree(filled) == before
    assert require_sound(DirectorySource(filled / "public"), log_key) == tree
    assert export_log(filled, filled.parent / "exported")[0] == tree


@pytest.mark.parametrize("content", [b"", b"\xff\x00" * 5000])
def test_any_marker_freezes(filled: Path, content: bytes) -> None:
    (filled / "frozen").write_bytes(content)
    with pytest.raises(FrozenError), open_log(filled):
        pytest.fail("the log opened")


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * (MAX_REASON + 1), "\x1b[31m"])
def test_a_reason_that_is_none(tmp_path: Path, filled: Path, reason: str, now: datetime) -> None:
    with open_log(filled) as log, pytest.raises(ConfigurationError) as caught:
        freeze(tmp_path / "frozen", tree=log.sequencer.head.tree, reason=reason, now=now)
    assert caught.value.what == "reason"
    assert not (tmp_path / "frozen").exists()


def test_a_foreign_log_that_has_an_entry_twice(
    log_root: Path, log_key: VerificationKey, now: datetime, tmp_path: Path
) -> None:
    # Sound by every format, and read and audited like any other: but an index for every entry is
    # what a log of ours answers.
    entries = [b"entry-%d" % number for number in range(700)]
    signers = read_signers(log_root / "log.key")
    publish_foreign(tmp_path / "sound", entries, *signers)
    _import(tmp_path / "sound", tmp_path / "back", log_key, now)
    entries[650] = entries[3]
    publish_foreign(tmp_path / "foreign", entries, *signers)
    assert require_sound(DirectorySource(tmp_path / "foreign"), log_key).size == 700
    with pytest.raises(ConfigurationError) as caught:
        _import(tmp_path / "foreign", tmp_path / "new" / "log", log_key, now)
    assert (caught.value.what, caught.value.got) == (
        "entries of the log",
        "entry 650 is entry 3 again",
    )
    assert caught.value.expected.startswith("each entry once")
    # Not even the parent of the new directory was made.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "foreign", "log", "sound"]
