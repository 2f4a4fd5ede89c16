"""``release rebuild`` from the release alone: what it finds and fetches, and what it does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Ran, cvm_audit
from tests.serving import serving
from tests.verifier.rebuild.toy_release import (
    INPUTS,
    ToyRelease,
    failures,
    finding,
    flipped,
    release,
)

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")


@pytest.fixture(autouse=True)
def no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt that knows no mirror, so that no test asks the network; and a cache of the test's."""
    configuration = tmp_path / "apt.conf"
    configuration.write_text(
        'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def mirror(toy: ToyRelease) -> Path:
    """A mirror that has every input, and a store that has none."""
    pool = toy.root / "mirror" / "pool" / "main"
    pool.mkdir(parents=True)
    for name in INPUTS:
        toy.input(name).rename(pool / f"{name}_1.0-1.deb")
    return toy.root / "mirror"


def rebuild(toy: ToyRelease, mirror: Path | str, *options: object) -> Ran:
    url = mirror.as_uri() if isinstance(mirror, Path) else mirror
    return toy.rebuild("--json", *options, inputs=("--store", toy.store, "--mirror", url))


def stored(toy: ToyRelease) -> list[str]:
    return sorted(name for name in INPUTS if toy.input(name).exists())


def left_over(folder: Path) -> list[Path]:
    """What a fetch has left that is no input."""
    return [path for path in folder.rglob("*") if path.is_file() and len(path.name) != 64]


def test_inputs_are_fetched_by_digest_and_once(toy: ToyRelease, mirror: Path) -> None:
    ran = rebuild(toy, mirror)
    assert ran.code == 4, ran.out + ran.err
    finding(ran, "rebuild.measurement", "pass")
    for number, name in enumerate(INPUTS, start=1):
        size = len(INPUTS[name])
        assert f"{number} of 3: {name} 1.0-1, {size} bytes, from mirror " in ran.err
    assert stored(toy) == sorted(INPUTS)
    shutil.rmtree(mirror)
    again = rebuild(toy, mirror)
    assert again.code == 4
    assert "from mirror" not in again.err


def test_without_a_store_it_is_that_of_the_builder(toy: ToyRelease, mirror: Path) -> None:
    ran = toy.rebuild("--json", inputs=("--mirror", mirror.as_uri()))
    assert ran.code == 4
    store = Path(os.environ["XDG_CACHE_HOME"]) / "cvm-audit" / "inputs" / "sha256"
    assert len(list(store.iterdir())) == len(INPUTS)


def test_an_input_that_is_gone_is_named_and_a_later_run_resumes(
    toy: ToyRelease, mirror: Path
) -> None:
    package = mirror / "pool" / "main" / "kernel_1.0-1.deb"
    away = package.rename(toy.root / "away.deb")
    ran = rebuild(toy, mirror)
    found = finding(ran, "rebuild.inputs", "error")
    assert (ran.code, found["class"]) == (3, "infrastructure")
    assert found["source"] == "kernel 1.0-1"
    assert found["got"].startswith("kernel 1.0-1 is not at hand; ")
    assert "kernel_1.0-1.deb" in found["got"]
    for way in ("--inputs", "--mirror", "relock"):
        assert way in found["hint"]
    assert not failures(ran)
    assert stored(toy) == ["firmware", "tool"]
    assert not left_over(toy.store)
    away.rename(package)
    ran = rebuild(toy, mirror)
    assert ran.code == 4
    assert "1 of 1: kernel 1.0-1" in ran.err
    assert "firmware 1.0-1," not in ran.err


def test_a_mirror_that_cannot_be_reached_is_not_determined(toy: ToyRelease) -> None:
    toy.input("tool").unlink()
    ran = rebuild(toy, "http://127.0.0.1:9")
    found = finding(ran, "rebuild.inputs", "error")
    assert (ran.code, found["source"]) == (3, "tool 1.0-1")
    assert "mirror http://127.0.0.1:9: " in found["got"]
    assert "Connection refused" in found["got"]


def test_a_mirror_that_lies_is_not_believed(toy: ToyRelease, mirror: Path) -> None:
    flipped(mirror / "pool" / "main" / "tool_1.0-1.deb", 3)
    ran = rebuild(toy, mirror)
    assert ran.code == 3
    assert "tool 1.0-1" in finding(ran, "rebuild.inputs", "error")["got"]
    assert stored(toy) == ["firmware", "kernel"]


def test_an_altered_input_is_a_finding_and_nothing_heals_it(toy: ToyRelease, mirror: Path) -> None:
    altered = b"x" * len(INPUTS["tool"])
    toy.input("tool").write_bytes(altered)
    ran = rebuild(toy, mirror)
    assert (ran.code, finding(ran, "rebuild.inputs")["source"]) == (1, "tool 1.0-1")
    assert toy.input("tool").read_bytes() == altered
    assert "from mirror" not in ran.err


def test_offline_nobody_is_asked(toy: ToyRelease, mirror: Path) -> None:
    ran = rebuild(toy, mirror, "--offline")
    assert ran.code == 3
    assert finding(ran, "rebuild.inputs", "error")["got"] == (
        "firmware 1.0-1 is not at hand, and 2 more"
    )
    assert stored(toy) == []


def test_a_lock_that_the_builder_cannot_read_is_not_fetched(toy: ToyRelease, mirror: Path) -> None:
    lock = toy.image / "inputs.lock"
    lock.write_text(lock.read_text() + "# another spelling\n")
    toy.state()
    ran = rebuild(toy, mirror)
    assert ran.code == 3
    assert "another spelling or order" in finding(ran, "rebuild.inputs", "error")["got"]


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_mirror_that_says_nothing_is_given_up(toy: ToyRelease) -> None:
    toy.input("tool").unlink()
    with silent_server() as url:
        ran = rebuild(toy, url, "--timeout", 1)
    assert ran.code == 3
    got = finding(ran, "rebuild.inputs", "error")["got"]
    assert got == "tool 1.0-1 is not at hand; not done after 1 s"
    assert not left_over(toy.store)


def test_the_source_of_this_program_is_not_taken_for_that_of_another_release(
    toy: ToyRelease,
) -> None:
    path = toy.write_entry()
    given = ("--store", toy.store, "--guest-policy", toy.root / "guest-policy.json")
    ran = cvm_audit("release", "rebuild", path, *given, "--offline", "--json")
    assert ran.code == 3
    logged = toy.document["predicate"]["build"]
    for check, member in (("rebuild.source", "sourceSha256"), ("rebuild.lock", "lockSha256")):
        found = finding(ran, check, "error")
        assert found["expected"] == f"sha256 {logged[member]}"
        assert found["got"].startswith("not at hand: the tree of this program: sha256 ")
        assert "--source DIR" in found["hint"]
    assert not failures(ran)


def test_a_folder_has_entry_and_proof(toy: ToyRelease) -> None:
    folder = toy.root / "release"
    folder.mkdir()
    path = toy.write_entry()
    for name in ("entry.json", "entry.tlog-proof"):
        (folder / name).write_bytes(path.with_name(name).read_bytes())
    given = ("--source", toy.source, "--store", toy.store, "--offline", "--json")
    known = ("--policy", toy.root / "policy.toml", "--at", "2026-11-21T12:00:00Z")
    ran = cvm_audit("release", "rebuild", folder, *given, *known, "--artifacts", toy.artifacts)
    assert ran.code == 0, ran.out + ran.err
    assert json.loads(ran.out)["stages"] == ["log", "release", "rebuild"]


class TestGuestPolicy:
    def located(self, toy: ToyRelease, *places: str) -> Path:
        for artifact in toy.document["predicate"]["artifacts"]:
            if artifact["role"] == "guest-policy":
                artifact["locations"] = list(places)
        return toy.write_entry()

    def rebuild(self, toy: ToyRelease, *places: str, offline: bool = False) -> Ran:
        path = self.located(toy, *places)
        given = ("--source", toy.source, "--store", toy.store, *(("--offline",) * offline))
        return cvm_audit("release", "rebuild", path, *given, "--json")

    def test_it_is_fetched_from_where_the_release_says(self, toy: ToyRelease) -> None:
        with serving(toy.artifacts) as url:
            ran = self.rebuild(toy, "http://127.0.0.1:9/x", f"{url}/guest-policy.json")
        assert ran.code == 4, ran.out + ran.err
        finding(ran, "rebuild.artifact", "pass")

    def test_offline_it_is_missing(self, toy: ToyRelease) -> None:
        with serving(toy.artifacts) as url:
            ran = self.rebuild(toy, f"{url}/guest-policy.json", offline=True)
        assert ran.code == 3
        found = finding(ran, "rebuild.inputs", "error")
        assert found["got"] == "guest-policy.json is not at hand"
        assert "not asked, offline" in ran.err

    def test_another_one_at_the_place_is_not_taken(self, toy: ToyRelease) -> None:
        with serving(toy.artifacts) as url:
            ran = self.rebuild(toy, f"{url}/kernel.bin")
        assert ran.code == 3
        assert "more than 16 bytes" in ran.err

    def test_a_path_of_this_machine_is_no_location(self, toy: ToyRelease) -> None:
        assert self.rebuild(toy, str(toy.artifacts / "guest-policy.json")).code == 3

    def test_another_one_that_is_given_is_told_by_what_it_changes(self, toy: ToyRelease) -> None:
        (toy.root / "guest-policy.json").write_bytes(b'{"schema":"other"}')
        ran = toy.rebuild("--json", "--artifacts", toy.artifacts)
        assert ran.code == 1
        found = finding(ran, "rebuild.artifact")
        assert found["source"] == "guest-policy.json"
        assert 'schema: released "toy", rebuilt "other"' in found["got"]

    def test_of_a_release_that_states_none_it_has_to_be_given(self, toy: ToyRelease) -> None:
        place = next(
            n for n, item in enumerate(toy.document["subject"]) if item["name"].startswith("guest")
        )
        for members in (toy.document["subject"], toy.document["predicate"]["artifacts"]):
            members.pop(place)
        ran = self.rebuild(toy)
        assert ran.code == 2
        assert "--guest-policy FILE is needed" in ran.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB, which holds one build of the toy and no second one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    if os.getuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class TestNoSpace:
    def test_to_build_in(self, toy: ToyRelease, small_disk: Path) -> None:
        ran = toy.rebuild("--work", small_disk / "work")
        assert ran.code == 3
        assert f"cvm-audit: {small_disk}/work: " in ran.err
        assert "bytes free, for one build" in ran.err
        assert "--work DIR" in ran.err
        # What came out whole is kept, and the next run goes on from there.
        (small_disk / "work" / "first.log").unlink()
        remount = ["mount", "-o", "remount,size=16m", str(small_disk)]
        subprocess.run(remount, check=True)
        assert toy.rebuild("--work", small_disk / "work").code == 4
        assert not (small_disk / "work" / "first.log").exists()

    def test_to_fetch_into(self, toy: ToyRelease, mirror: Path, small_disk: Path) -> None:
        raw = os.urandom(200_000)
        ran = self.fetched(toy, mirror, small_disk, raw)
        assert ran.code == 3, ran.err
        found = finding(ran, "rebuild.inputs", "error")
        assert "No space left on device" in found["got"]
        assert not left_over(small_disk)

    def fetched(self, toy: ToyRelease, mirror: Path, store: Path, raw: bytes) -> Ran:
        """Rebuild with a large input that is to go into ``store``."""
        (mirror / "pool" / "main" / "tool_1.0-1.deb").write_bytes(raw)
        lock = toy.lock_of(contents=INPUTS | {"tool": raw})
        (toy.image / "inputs.lock").write_text(lock)
        toy.state()
        where = ("--store", store, "--mirror", mirror.as_uri())
        return toy.rebuild("--json", inputs=where)

    def test_for_a_statement(self, toy: ToyRelease, small_disk: Path) -> None:
        key = toy.root / "rebuilder.key"
        cvm_audit("release", "keygen", "--name", "rebuilder.invalid/one", "-o", key)
        (small_disk / "full").write_bytes(bytes(128 * 1024))
        ran = toy.rebuild("--key", key, "--statement", small_disk / "statement")
        assert ran.code == 2
        assert "No space left on device" in ran.err
        assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_the_kept_folder_says_what_was_fetched(toy: ToyRelease, mirror: Path) -> None:
    work = toy.root / "work"
    assert rebuild(toy, mirror, "--work", work).code == 4
    assert (work / "inputs.lock").read_bytes() == (toy.image / "inputs.lock").read_bytes()
    release(toy)
    assert rebuild(toy, mirror, "--work", work).code == 4
