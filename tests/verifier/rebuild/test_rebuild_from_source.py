"""A release from source is compiled twice, in sandboxes within the sandboxes of the rebuild.

The builder is the genuine one; toolchain and sources are synthetic, and take no time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.image.compile.recipe import KERNEL_CONFIG
from pipeline.image.lock import FIRMWARE, KERNEL, TOOLCHAIN_LOCK, encode_lock
from pipeline.image.recipe import recipe_name
from pipeline.image.store import Store
from tests.pipeline.image.compile.synthetic_toolchain import toolchain_inputs, toolchain_lock
from tests.pipeline.image.synthetic_inputs import fill, inputs
from tests.running import ROOT
from tests.verifier.rebuild.toy_release import ToyRelease, finding
from verifier.rebuild.locks import RECIPES, RebuildLocks
from verifier.rebuild.locks import TOOLCHAIN_LOCK as TOOLCHAIN_LOCK_NAME

CONFIG = b"CONFIG_SECCOMP=y\n"


@pytest.fixture(scope="module")
def made(bubblewrap: str, tmp_path_factory: pytest.TempPathFactory) -> ToyRelease:
    assert bubblewrap
    made = ToyRelease(tmp_path_factory.mktemp("compiled"))
    for name in ("pipeline", "verifier"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, made.source / name, ignore=ignored)
    lock, _, _ = fill(made.root)
    shutil.move(lock, made.image / "inputs.lock")
    toolchain = toolchain_inputs()
    (made.image / TOOLCHAIN_LOCK.name).write_bytes(encode_lock(toolchain_lock(toolchain)))
    (made.source / KERNEL_CONFIG).write_bytes(CONFIG)
    for item, raw in toolchain.items():
        Store(made.store).add(item, [raw])
    for item in inputs():
        if item.role in (FIRMWARE, KERNEL):
            Store(made.store).path(item).unlink()
    options = ("-o", made.artifacts, "--policy", made.root / "guest-policy.json")
    command = [sys.executable, "-B", "-m", "pipeline.image", "build", *map(str, options)]
    command += ["--store", str(made.store), "--offline", "--from-source"]
    subprocess.run(command, cwd=made.source, check=True, timeout=120)
    return made


@pytest.fixture
def compiled(made: ToyRelease) -> ToyRelease:
    made.state()
    made.document["predicate"]["build"]["recipe"] = recipe_name(from_source=True, byte_code=False)
    return made


def test_builder_and_judge_call_it_the_same() -> None:
    assert len(RECIPES) == 4
    for name, recipe in RECIPES.items():
        assert name == recipe_name(from_source=recipe.from_source, byte_code=recipe.byte_code)
    assert TOOLCHAIN_LOCK.name == TOOLCHAIN_LOCK_NAME


@pytest.mark.slow
def test_it_is_compiled_again_and_reproduced(compiled: ToyRelease) -> None:
    compiled.write_entry()
    ran = compiled.rebuild("--from-source", *compiled.known, "--artifacts", compiled.artifacts)
    assert ran.code == 0, ran.out + ran.err
    assert "two builds from source" in ran.err


@pytest.mark.slow
def test_an_option_of_the_kernel_that_was_taken_out_is_named(compiled: ToyRelease) -> None:
    path = compiled.source / KERNEL_CONFIG
    path.write_bytes(CONFIG.replace(b"CONFIG_SECCOMP=y", b"# CONFIG_SECCOMP is not set"))
    try:
        ran = compiled.rebuild("--json", "--artifacts", compiled.artifacts)
    finally:
        path.write_bytes(CONFIG)
    assert ran.code == 1
    got = finding(ran, "rebuild.artifact")["got"]
    assert got.endswith('first difference: SECCOMP: released "y", rebuilt "n"')


def test_a_missing_input_of_the_toolchain_is_not_determined(
    compiled: ToyRelease, tmp_path: Path
) -> None:
    store = shutil.copytree(compiled.store, tmp_path / "store")
    victim = next(item for item in toolchain_inputs() if item.name == "gcc")
    Store(store).path(victim).unlink()
    ran = compiled.rebuild("--json", inputs=("--store", store, "--offline"))
    assert ran.code == 3
    assert str(victim) in finding(ran, "rebuild.inputs", "error")["got"]


def test_it_is_usage_to_compile_what_was_not_compiled(compiled: ToyRelease) -> None:
    compiled.document["predicate"]["build"]["recipe"] = "toy/1"
    ran = compiled.rebuild("--from-source")
    assert ran.code == 2
    expected = "cvm-audit: --from-source: the release was not compiled, its recipe is 'toy/1'"
    assert expected in ran.err


def test_the_inputs_of_both_locks_are_needed_but_what_is_compiled(compiled: ToyRelease) -> None:
    image = (compiled.image / "inputs.lock").read_bytes()
    toolchain = (compiled.image / "toolchain.lock").read_bytes()
    both = {line.sha256 for line in RebuildLocks(image, toolchain).lines()}
    wanted = {item.sha256 for item in toolchain_inputs()}
    wanted |= {item.sha256 for item in inputs() if item.role not in (FIRMWARE, KERNEL)}
    assert both == wanted
    alone = {line.sha256 for line in RebuildLocks(image, None).lines()}
    assert alone == {item.sha256 for item in inputs()}
