from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.image.bundle import take_from_bundle, write_bundle
from pipeline.image.fetching import BundleSource, MirrorSource, fetch_inputs
from pipeline.image.lock import Input, encode_lock
from pipeline.image.store import Store, StoreError
from tests.architecture.source import ROOT
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import fill, inputs, lock_of, locked
from verifier.errors import FetchError, ParseError, VerificationError

RAW = b"content of an input"
ITEM = locked("x", RAW)
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from pipeline.image.cli import main
sys.exit(main(sys.argv[1:]))
"""


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def silent(_text: str) -> None:
    """Nobody watches the progress."""


def test_what_is_added_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "store")
    store.add(ITEM, [RAW[:5], RAW[5:]])
    assert store.read(ITEM) == RAW
    assert left(store.root) == ["sha256", f"sha256/{ITEM.sha256.hex()}"]


@pytest.mark.parametrize("wrong", [RAW[:-1], RAW + b"x", RAW[:-1] + b"X", b""])
def test_other_bytes_than_the_locked_ones_leave_nothing(tmp_path: Path, wrong: bytes) -> None:
    store = Store(tmp_path)
    expected = f"{len(RAW)} bytes"
    got = "more" if len(wrong) > len(RAW) else f"{len(wrong)} bytes"
    if len(wrong) == len(RAW):
        expected, got = f"SHA-256 {ITEM.sha256.hex()}", sha256(wrong).hexdigest()
    with refused(VerificationError, "x 1.0-1", expected=expected, got=got):
        store.add(ITEM, [wrong])
    assert left(tmp_path) == ["sha256"]


def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield RAW[:5]
        raise FetchError("mirror", expected="more", got="the end")

    with refused(FetchError, "mirror", expected="more", got="the end"):
        Store(tmp_path).add(ITEM, breaking())
    assert left(tmp_path) == ["sha256"]


def test_a_damaged_input_is_refused_by_name_and_fetched_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(ITEM, [RAW])
    store.path(ITEM).write_bytes(RAW[:-1] + b"X")
    got = sha256(RAW[:-1] + b"X").hexdigest()
    with refused(VerificationError, "x 1.0-1", expected=f"SHA-256 {ITEM.sha256.hex()}", got=got):
        store.read(ITEM)
    mirror = tmp_path / "mirror" / ITEM.path
    mirror.parent.mkdir(parents=True)
    mirror.write_bytes(RAW)
    fetch_inputs([ITEM], store, [MirrorSource((tmp_path / "mirror").as_uri())], say=silent)
    assert store.read(ITEM) == RAW


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    got = f"not in the store {tmp_path}"
    with refused(FetchError, "x 1.0-1", expected="the input", got=got):
        Store(tmp_path).read(ITEM)


def test_a_store_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with refused(
        StoreError,
        f"store {tmp_path / 'store'}",
        expected="a folder that can be used",
        got="Not a directory",
    ):
        Store(tmp_path / "store").add(ITEM, [RAW])


def test_no_space_is_said_and_leaves_nothing_and_a_second_run_resumes(tmp_path: Path) -> None:
    lock, full, _ = fill(tmp_path)
    bundle = tmp_path / "inputs.tar"
    made = inputs()
    locks = {"inputs.lock": lock.read_bytes()}
    write_bundle(bundle, locks=locks, inputs=tuple(made), store=Store(full))
    store = tmp_path / "small"
    arguments = ["fetch", "--offline", "--lock", lock, "--store", store, "--bundle", bundle]
    limit = sorted(len(raw) for raw in made.values())[len(made) // 2]
    command = [sys.executable, "-c", LIMITED.format(limit=limit), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"error: store {store}: File too large (expected a folder that can be used)" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr
    kept = left(store)[1:]
    assert kept
    assert all(len(name) == len("sha256/") + 64 for name in kept)
    resumed = subprocess.run(
        [sys.executable, "-m", "pipeline.image", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    fetched = resumed.stderr.count(" bytes, from bundle ")
    assert fetched == len(made) - len(kept)
    assert left(store)[1:] == left(full)[1:]


def bundle_of(folder: Path, name: str = "inputs.tar") -> Path:
    made = inputs()
    store = Store(folder / "store")
    for item, raw in made.items():
        store.add(item, [raw])
    path = folder / name
    lock = lock_of(made)
    write_bundle(path, locks={"inputs.lock": encode_lock(lock)}, inputs=lock.inputs, store=store)
    return path


def test_a_bundle_is_the_same_bytes_for_everyone(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
    old = os.umask(0o077)
    try:
        one = bundle_of(first).read_bytes()
    finally:
        os.umask(old)
    assert bundle_of(second, "other-name.tar").read_bytes() == one


def test_a_bundle_fills_a_store(tmp_path: Path) -> None:
    path = bundle_of(tmp_path)
    store = Store(tmp_path / "other")
    lock = lock_of(inputs())
    fetch_inputs(lock.inputs, store, [BundleSource(path)], say=silent)
    assert all(store.holds(item) for item in lock.inputs)
    assert take_from_bundle(path, [ITEM], store) == (ITEM,)


def test_a_changed_bundle_is_refused_by_the_name_of_the_input(tmp_path: Path) -> None:
    path = bundle_of(tmp_path)
    lock = lock_of(inputs())
    victim = lock.inputs[0]
    raw = Store(tmp_path / "store").read(victim)
    path.write_bytes(path.read_bytes().replace(raw, raw[:-1] + b"?"))
    expected = f"SHA-256 {victim.sha256.hex()}"
    got = sha256(raw[:-1] + b"?").hexdigest()
    store = Store(tmp_path / "other")
    with refused(VerificationError, str(victim), expected=expected, got=got):
        take_from_bundle(path, [victim], store)
    assert left(store.root) == ["sha256"]


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"x" * 2000)
    for place, kind, expected in (
        (path, ParseError, "a tar"),
        (tmp_path / "gone.tar", FetchError, "a bundle"),
    ):
        with pytest.raises(kind) as caught:
            take_from_bundle(place, [ITEM], Store(tmp_path / "store"))
        assert (caught.value.what, caught.value.expected) == (f"bundle {place}", expected)


class Empty:
    """A source that has nothing."""

    name = "nowhere"

    def fetch(self, item: Input, store: Store) -> None:
        raise FetchError("nowhere", expected=str(item), got=f"nothing for {store.root.name}")


def test_the_next_source_is_asked_and_every_answer_is_told(tmp_path: Path) -> None:
    lock = lock_of({ITEM: RAW})
    unreachable = "http://127.0.0.1:9"
    said: list[str] = []
    mirror = MirrorSource(unreachable)
    with pytest.raises(FetchError) as caught:
        fetch_inputs(lock.inputs, Store(tmp_path), [mirror, Empty()], say=said.append)
    error = caught.value
    assert (error.what, error.expected) == ("1 of 1 inputs", "all of them")
    assert error.got.startswith(f"x 1.0-1: mirror {unreachable}: {unreachable}/{ITEM.path}: ")
    assert "Connection refused" in error.got
    assert error.got.endswith(
        "nowhere: nowhere: nothing for " + tmp_path.name + " (expected x 1.0-1)"
    )
    assert "relock" in error.hint
    assert left(tmp_path) == ["sha256"]


def test_a_mirror_that_dropped_an_input_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    there = tmp_path / "mirror" / ITEM.path
    there.parent.mkdir(parents=True)
    there.write_bytes(RAW)
    sources = [MirrorSource((tmp_path / name).as_uri()) for name in ("empty", "mirror")]
    said: list[str] = []
    store = Store(tmp_path / "store")
    fetch_inputs([ITEM], store, sources, say=said.append)
    assert said == [f"1 of 1: x 1.0-1, {len(RAW)} bytes, from {sources[1].name}"]


def test_a_mirror_is_a_url_of_a_kind_that_is_known() -> None:
    with refused(
        FetchError,
        "mirror ftp://x",
        expected="a URL of http, https or file",
        got="ftp://x",
    ):
        MirrorSource("ftp://x")


def test_without_a_source_the_error_says_so(tmp_path: Path) -> None:
    with refused(
        FetchError, "1 of 1 inputs", expected="all of them", got="x 1.0-1: no source to ask"
    ):
        fetch_inputs([ITEM], Store(tmp_path), [], say=silent)
