"""The image of this tree: built as a publisher does, rebuilt and scanned as an auditor does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.making import PUBLISHER, Log, changed
from tests.running import ROOT, Ran, cvm_audit
from tests.verifier.rebuild.toy_release import ToyRelease, failures, finding, flipped

pytestmark = pytest.mark.slow

GUEST_POLICY = {
    "schema": "cvm-audit/guest-policy/v1",
    "role": "summariser",
    "logPolicy": f"log {Log(()).key}\nquorum none\n",
    "publishers": [str(PUBLISHER.key.vkey)],
    "publisherThreshold": 1,
    "listen": 8443,
}


@pytest.fixture(scope="module")
def real(
    image_store: Path, bubblewrap: str, tmp_path_factory: pytest.TempPathFactory
) -> ToyRelease:
    assert bubblewrap
    return released(tmp_path_factory.mktemp("image"), image_store)


def released(root: Path, image_store: Path, *options: str) -> ToyRelease:
    """A release of this tree's image, built with ``options``."""
    real = ToyRelease(root)
    for name in ("pipeline", "verifier"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, real.source / name, ignore=ignored)
    real.store.symlink_to(image_store)
    (real.root / "guest-policy.json").write_text(json.dumps(GUEST_POLICY))
    paths = ("-o", real.artifacts, "--policy", real.root / "guest-policy.json")
    command = [sys.executable, "-B", "-m", "pipeline.image", "build", *map(str, paths)]
    command += ["--store", str(real.store), "--offline", *options]
    subprocess.run(command, cwd=real.source, check=True, timeout=300)
    real.state()
    manifest = json.loads((real.artifacts / "manifest.json").read_bytes())
    real.document["predicate"]["build"]["recipe"] = manifest["recipe"]
    return real


def test_it_is_reproduced(real: ToyRelease) -> None:
    real.write_entry()
    ran = real.rebuild(*real.known, "--artifacts", real.artifacts)
    assert ran.code == 0, ran.out + ran.err


@pytest.mark.usefixtures("bubblewrap")
def test_with_byte_code_it_is_reproduced_and_a_changed_byte_of_that_named(
    image_store: Path, tmp_path: Path
) -> None:
    real = released(tmp_path, image_store, "--byte-code")
    work = ("--work", tmp_path / "work")
    ran = real.rebuild(*real.known, *work, "--artifacts", real.artifacts)
    assert ran.code == 0, ran.out + ran.err
    path = b"usr/lib/cvm/pipeline/node/__pycache__/guest.cpython-313.pyc"
    initrd = real.artifacts / "initrd.bin"
    flipped(initrd, initrd.read_bytes().index(path) + 400)
    ran = real.rebuild("--json", *work, "--artifacts", real.artifacts)
    assert (ran.code, failures(ran)) == (1, {"rebuild.released"})
    assert f"first difference: {path.decode()}: " in finding(ran, "rebuild.released")["got"]


def test_a_changed_byte_of_its_source_is_named(real: ToyRelease) -> None:
    path = real.source / "verifier" / "errors.py"
    honest = path.read_bytes()
    try:
        path.write_bytes(honest.replace(b"The one exception tree", b"The 1st exception tree"))
        ran = real.rebuild("--artifacts", real.artifacts)
    finally:
        path.write_bytes(honest)
    assert ran.code == 1
    assert "first difference: usr/lib/cvm/verifier/errors.py: line 1: released" in ran.out


def test_the_scan_finds_nothing(real: ToyRelease) -> None:
    ran = cvm_audit("release", "scan", real.artifacts)
    assert ran.code == 0, ran.out


IMAGE = (
    *("command-line.txt", "firmware.fd", "guest-policy.json", "initrd.bin"),
    *("kernel-config.txt", "kernel.bin", "manifest.json", "sbom.json"),
)


def rebuild(real: ToyRelease, *options: object, store: Path | None = None) -> Ran:
    """Rebuild in the one folder of all these tests, so that what is unchanged is built once."""
    inputs = ("--store", store or real.store, "--offline")
    return real.rebuild("--json", "--work", real.root / "work", *options, inputs=inputs)


def store_without(real: ToyRelease, folder: Path, number: int) -> tuple[Path, Path]:
    """A store of links, and of input ``number`` a copy: the store, and the copy's path."""
    held = sorted((real.store / "sha256").iterdir())
    (folder / "sha256").mkdir(parents=True)
    paths = [folder / "sha256" / path.name for path in held]
    for path, original in zip(paths, held, strict=True):
        path.symlink_to(original.resolve())
    paths[number].unlink()
    shutil.copy(held[number].resolve(), paths[number])
    return folder, paths[number]


@pytest.mark.parametrize("number", [0, 7, -1])
def test_a_changed_or_missing_input_of_it(real: ToyRelease, tmp_path: Path, number: int) -> None:
    store, path = store_without(real, tmp_path / "store", number)
    flipped(path, path.stat().st_size // 2)
    ran = rebuild(real, store=store)
    assert (ran.code, failures(ran)) == (1, {"rebuild.inputs"})
    assert finding(ran, "rebuild.inputs")["expected"].endswith(f"sha256 {path.name}")
    path.unlink()
    ran = rebuild(real, store=store)
    assert ran.code == 3
    assert " is not at hand" in finding(ran, "rebuild.inputs", "error")["got"]


@pytest.mark.parametrize("name", IMAGE)
def test_a_changed_byte_of_its_artifacts_is_named(
    real: ToyRelease, tmp_path: Path, name: str
) -> None:
    offered = tmp_path / "offered"
    shutil.copytree(real.artifacts, offered)
    flipped(offered / name, (offered / name).stat().st_size // 2)
    ran = rebuild(real, "--artifacts", offered)
    assert (ran.code, failures(ran)) == (1, {"rebuild.released"})
    found = finding(ran, "rebuild.released")
    assert found["source"] == name
    assert "first difference: " in found["got"]


@pytest.mark.parametrize("name", ["guest-policy.json", "initrd.bin"])
def test_a_changed_digit_of_its_logged_digests_is_named(real: ToyRelease, name: str) -> None:
    place = next(n for n, item in enumerate(real.document["subject"]) if item["name"] == name)
    logged = real.document["subject"][place]["digest"]["sha256"]
    wrong = ("1" if logged[0] == "0" else "0") + logged[1:]
    other = changed(real.document, f"subject/{place}/digest/sha256", wrong)
    ran = rebuild(ToyRelease(real.root, other))
    assert (ran.code, failures(ran)) == (1, {"rebuild.artifact"})
    assert finding(ran, "rebuild.artifact")["source"] == name


@pytest.mark.parametrize("old", [b"\nsize = 2", b'\nsha256 = "'])
def test_a_changed_line_of_its_lock_is_named(real: ToyRelease, old: bytes) -> None:
    honest = (real.image / "inputs.lock").read_bytes()
    other = {b"2": b"3", b'"': b'"0'}[old[-1:]]
    try:
        (real.image / "inputs.lock").write_bytes(honest.replace(old, old[:-1] + other, 1))
        ran = real.rebuild("--json")
    finally:
        (real.image / "inputs.lock").write_bytes(honest)
    assert ran.code == 1
    assert {"rebuild.source", "rebuild.lock"} <= failures(ran)


def test_from_its_own_tree_nothing_has_to_be_named(real: ToyRelease) -> None:
    path = real.write_entry()
    command = [sys.executable, "-B", "-P", "-m", "verifier", "release", "rebuild", str(path)]
    command += ["--artifacts", str(real.artifacts), "--work", str(real.root / "work"), "--json"]
    cache = real.root / "cache" / "cvm-audit"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "inputs").symlink_to(real.store.resolve())
    done = subprocess.run(
        command,
        cwd=real.root,
        env=os.environ | {"PYTHONPATH": str(real.source), "XDG_CACHE_HOME": str(cache.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert ran.code == 4, ran.out + ran.err
    assert json.loads(ran.out)["notProven"] == ["log.inclusion", "release.signature"]
    finding(ran, "rebuild.source", "pass")
