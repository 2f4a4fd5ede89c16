"""Everything around a compilation, with a toolchain and sources that take no time."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pipeline.image.cli import main
from pipeline.image.compile.compiled_store import compilation_key, keep_compiled, kept_compiled
from pipeline.image.compile.compiling import Compiled, compile_from_source
from pipeline.image.compile.recipe import KERNEL_CONFIG, KERNEL_SOURCE_PACKAGE
from pipeline.image.compile.relocking import check_toolchain
from pipeline.image.compile.scratch import require_space
from pipeline.image.lock import Input, Lock, encode_lock, parse_lock
from pipeline.image.recipe import MODULES_FOLDER, recipe_name
from pipeline.image.store import Store
from tests.architecture.source import ROOT
from tests.ovmf_image import build_ovmf
from tests.pipeline.image.compile.synthetic_toolchain import toolchain_inputs, toolchain_lock
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import fill
from tests.pipeline.image.variations import ARTIFACTS
from verifier.errors import FetchError, PolicyError, VerificationError

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

CONFIG = b"CONFIG_TINY=y\nCONFIG_SECCOMP=y\n"
COMPILED = Compiled(kernel=b"kernel", firmware=b"firmware", kernel_config=CONFIG)


@pytest.fixture(scope="module")
def made() -> dict[Input, bytes]:
    return toolchain_inputs()


def compiled(made: dict[Input, bytes], folder: Path, config: bytes = CONFIG) -> Compiled:
    return compile_from_source(
        toolchain_lock(made),
        made.__getitem__,
        kernel_config=config,
        parent=folder,
        say=lambda _: None,
    )


def test_kernel_and_firmware_come_out_and_nothing_stays(
    made: dict[Input, bytes], tmp_path: Path
) -> None:
    found = compiled(made, tmp_path / "new")
    assert found.firmware == build_ovmf()
    assert found.kernel_config.splitlines() == [b"CONFIG_SMALL=y", *CONFIG.splitlines()]
    assert found.kernel == b"kernel\n" + found.kernel_config
    assert list((tmp_path / "new").iterdir()) == []


def test_an_option_that_the_kernel_drops_stops_it(made: dict[Input, bytes], tmp_path: Path) -> None:
    what = "kernel configuration, CONFIG_LOST"
    with refused(VerificationError, what, expected="y", got="n"):
        compiled(made, tmp_path, b"CONFIG_SECCOMP=y\nCONFIG_LOST=y\n")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(made: dict[Input, bytes], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    what = str(tmp_path / "file")
    with refused(FetchError, what, expected="a place to compile in", got="File exists"):
        compiled(made, tmp_path / "file")


def test_too_little_space_is_said_before_anything_is_done(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(FetchError) as caught:
        require_space(tmp_path / "not" / "there", free * 2)
    error = caught.value
    assert error.what == str(tmp_path / "not" / "there")
    assert error.expected == f"{free * 2} bytes free, to compile in"
    assert error.got.endswith(" bytes")


class Builder:
    """The builder's command line, with all locks and inputs in ``folder``."""

    def __init__(self, folder: Path, made: dict[Input, bytes]) -> None:
        self.folder = folder
        self.lock, self.store, self.policy = fill(folder)
        self.toolchain = folder / "toolchain.lock"
        self.toolchain.write_bytes(encode_lock(toolchain_lock(made)))
        for item, raw in made.items():
            Store(self.store).add(item, [raw])
        # The synthetic kernel has the options that it is given.
        self.source = folder / "source"
        for name in ("pipeline", "verifier"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.source / name, ignore=ignored)
        (self.source / KERNEL_CONFIG).write_bytes(CONFIG)

    @property
    def options(self) -> tuple[object, ...]:
        locks = ("--lock", self.lock, "--toolchain-lock", self.toolchain, "--store", self.store)
        return (*locks, "--source", self.source, "--offline", "--from-source")

    def run(self, verb: str, *arguments: object) -> int:
        return main([verb, *map(str, (*self.options, *arguments))])

    def build(self, name: str, *arguments: object) -> dict[str, bytes]:
        out = self.folder / name
        assert self.run("build", "-o", out, "--policy", self.policy, *arguments) == 0
        return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture
def builder(tmp_path: Path, made: dict[Input, bytes]) -> Builder:
    return Builder(tmp_path, made)


def test_an_image_from_source_has_no_modules_and_says_what_it_is_made_of(builder: Builder) -> None:
    built = builder.build("image")
    assert sorted(built) == sorted(ARTIFACTS)
    manifest = json.loads(built["manifest.json"])
    schema = json.loads((ROOT / "schemas" / "image-manifest.v1.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(manifest)
    assert manifest["recipe"] == recipe_name(from_source=True, byte_code=False)
    toolchain = parse_lock(builder.toolchain.read_bytes(), toolchain_lock({}).form)
    image = parse_lock(builder.lock.read_bytes())
    left_out = {"firmware", "kernel"}
    wanted = {item.sha256.hex() for item in image.inputs if item.role not in left_out}
    wanted |= {item.sha256.hex() for item in toolchain.inputs}
    assert {item["sha256"] for item in manifest["inputs"]} == wanted
    assert not any(item["path"].startswith(MODULES_FOLDER) for item in manifest["initrd"])
    bill = json.loads(built["sbom.json"])
    scopes = {item["name"]: item.get("scope") for item in bill["components"]}
    assert scopes["gcc"] == "excluded"
    assert scopes["edk2-orig"] is None
    assert scopes[KERNEL_SOURCE_PACKAGE] is None
    assert len({item["bom-ref"] for item in bill["components"]}) == len(bill["components"])
    assert sorted(path.name for path in builder.folder.iterdir() if path.name[0] == ".") == []


def test_a_build_that_is_told_to_end_leaves_nothing(builder: Builder) -> None:
    (builder.source / KERNEL_CONFIG).write_bytes(b"CONFIG_SLOW=y\n")
    before = sorted(builder.folder.iterdir())
    arguments = [*builder.options, "-o", builder.folder / "x", "--policy", builder.policy]
    command = [sys.executable, "-m", "pipeline.image", "build", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = iter(running.stderr.readline, "")
        assert any("compiling the kernel" in line for line in said)
        assert sorted(builder.folder.iterdir()) != before
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 128 + signal.SIGTERM
    assert sorted(builder.folder.iterdir()) == before


def test_what_was_compiled_is_taken_again_only_if_that_is_asked_for(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    first = builder.build("first", "--reuse-compiled")
    (folder,) = (builder.store / "compiled").iterdir()
    assert "NOT compiled" not in capsys.readouterr().err
    assert builder.build("second", "--reuse-compiled") == first
    assert f"NOT compiled: left by an earlier run, {folder.name}" in capsys.readouterr().err
    # Whoever can write into the store could have put it there.
    files = Compiled(b"evil", build_ovmf(), CONFIG)
    keep_compiled(builder.store, bytes.fromhex(folder.name), files)
    assert builder.build("third", "--reuse-compiled")["kernel.bin"] == b"evil"
    assert builder.build("fourth") == first
    assert "compiling the kernel" in capsys.readouterr().err


def test_reuse_without_source_is_usage(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", builder.folder / "x", "--policy", builder.policy, "--reuse-compiled"]
    assert main(["build", *map(str, options)]) == 2
    error = "error: --reuse-compiled: none (expected --from-source with it)\n"
    assert capsys.readouterr().err == error


def test_a_missing_input_of_the_toolchain_is_not_determined(
    builder: Builder, made: dict[Input, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    victim = next(item for item in made if item.name == "gcc")
    Store(builder.store).path(victim).unlink()
    assert builder.run("build", "-o", builder.folder / "x", "--policy", builder.policy) == 3
    assert f"{victim}: no source to ask" in capsys.readouterr().err
    assert not (builder.folder / "x").exists()


def test_what_takes_no_time_is_refused_before_anything_is_compiled(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    (builder.source / "verifier" / "wire" / "attested_tls.py").unlink()
    assert builder.run("build", "-o", builder.folder / "x", "--policy", builder.policy) == 1
    said = capsys.readouterr().err
    assert "source: nothing of that name (expected verifier/wire/attested_tls.py)" in said
    assert "compiling" not in said


def test_a_bundle_is_enough_to_build_from_source(builder: Builder, tmp_path: Path) -> None:
    bundle = tmp_path / "inputs.tar"
    assert builder.run("bundle", "-o", bundle) == 0
    first = builder.build("first")
    shutil.rmtree(builder.store)
    assert builder.build("second", "--bundle", bundle) == first


def test_a_kept_compilation_that_is_damaged_is_none(tmp_path: Path) -> None:
    key = bytes(32)
    assert kept_compiled(tmp_path, key) is None
    keep_compiled(tmp_path, key, COMPILED)
    assert kept_compiled(tmp_path, key) == COMPILED
    path = tmp_path / "compiled" / key.hex() / "kernel.bin"
    path.write_bytes(b"Kernel")
    assert kept_compiled(tmp_path, key) is None
    keep_compiled(tmp_path, key, COMPILED)
    assert kept_compiled(tmp_path, key) == COMPILED
    path.unlink()
    path.mkdir()
    what = str(path.parent)
    with refused(FetchError, what, expected="a folder that can be read", got="Is a directory"):
        kept_compiled(tmp_path, key)


def test_the_key_is_of_lock_and_configuration() -> None:
    key = compilation_key(b"lock", kernel_config=b"config")
    assert len(key) == 32
    assert compilation_key(b"lock", kernel_config=b"config") == key
    assert compilation_key(b"Lock", kernel_config=b"config") != key
    assert compilation_key(b"lock", kernel_config=b"Config") != key
    assert compilation_key(b"lockc", kernel_config=b"onfig") != key


@pytest.mark.parametrize("name", ["gcc", KERNEL_SOURCE_PACKAGE])
def test_a_lock_without_what_the_recipe_names_is_refused(
    made: dict[Input, bytes], name: str
) -> None:
    lock = toolchain_lock(made)
    fewer = Lock(lock.suites, tuple(i for i in lock.inputs if i.name != name), lock.form)
    role = next(item.role for item in lock.inputs if item.name == name)
    with refused(
        PolicyError,
        f"toolchain.lock, role {role}",
        expected=f"{name} among the inputs",
        got="it is missing",
    ):
        check_toolchain(fewer)
