from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import jsonschema
import pytest

from pipeline.image.cli import main
from pipeline.image.lock import Lock, encode_lock
from pipeline.image.sbom import package_url
from tests.architecture.source import ROOT
from tests.pipeline.image.newc import read_newc
from tests.pipeline.image.synthetic_inputs import fill, inputs, lock_of
from tests.pipeline.image.variations import ARTIFACTS

LOCK = lock_of(inputs())


class Builder:
    """The builder's command line on synthetic inputs in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock, self.store, self.policy = fill(folder)
        self.out = folder / "image"

    def run(self, verb: str, *arguments: object) -> int:
        options = ["--lock", self.lock, "--store", self.store, "--offline"]
        return main([verb, *map(str, [*options, *arguments])])

    def build(self) -> int:
        return self.run("build", "-o", self.out, "--policy", self.policy)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def schema(name: str) -> dict[str, object]:
    text = (ROOT / "schemas" / f"{name}.v1.schema.json").read_text("utf-8")
    loaded: dict[str, object] = json.loads(text)
    return loaded


def test_an_image_is_built_and_its_manifest_speaks_of_all_of_it(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builder.build() == 0
    made = {path.name: path.read_bytes() for path in builder.out.iterdir()}
    assert sorted(made) == sorted(ARTIFACTS)
    digests = {name: sha256(content).hexdigest() for name, content in made.items()}
    lines = [f"{digests[name]}  {name}" for name in sorted(made)]
    assert capsys.readouterr().out.splitlines() == lines
    manifest = json.loads(made["manifest.json"])
    jsonschema.Draft202012Validator(schema("image-manifest")).validate(manifest)
    assert manifest["lockSha256"] == sha256(builder.lock.read_bytes()).hexdigest()
    assert manifest["hashTableGpa"] == "0x810c00"
    assert {item["name"]: item["sha256"] for item in manifest["artifacts"]} == {
        name: digest for name, digest in digests.items() if name != "manifest.json"
    }
    assert [item["name"] for item in manifest["inputs"]] == [item.name for item in LOCK.inputs]
    assert made["guest-policy.json"] == builder.policy.read_bytes()
    assert not made["command-line.txt"].endswith(b"\n")
    entries = read_newc(made["initrd.bin"])
    assert [entry.name for entry in entries] == [item["path"] for item in manifest["initrd"]]
    files = {item["path"]: item for item in manifest["initrd"] if item["type"] == "file"}
    for entry in entries:
        if entry.name in files:
            assert files[entry.name]["sha256"] == sha256(entry.content).hexdigest()
            assert files[entry.name]["mode"] == f"{entry.fields['mode'] & 0o7777:04o}"


def test_the_bill_of_materials_names_every_input(builder: Builder) -> None:
    assert builder.build() == 0
    bill = json.loads((builder.out / "sbom.json").read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {item["purl"]: item["hashes"][0]["content"] for item in bill["components"]} == {
        package_url(item): item.sha256.hex() for item in LOCK.inputs
    }
    assert bill["dependencies"][0]["dependsOn"] == sorted(map(package_url, LOCK.inputs))
    zlib = next(item for item in LOCK.inputs if item.name == "zlib1g")
    assert package_url(zlib) == "pkg:deb/debian/zlib1g@1.0-1?arch=amd64&distro=trixie"


def failing(
    builder: Builder, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str]:
    """The exit code and the error of a build that leaves nothing behind."""
    before = sorted(builder.folder.rglob("*"))
    code = builder.run("build", "-o", builder.out, "--policy", builder.policy, *arguments)
    assert sorted(builder.folder.rglob("*")) == before
    error: str = capsys.readouterr().err.split("error: ")[-1]
    return code, error


def test_a_folder_that_exists_is_not_written_to(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.out.mkdir()
    code, error = failing(builder, capsys)
    assert code == 3
    assert error == f"{builder.out}: it exists already (expected a place to write to)\n"


def test_a_lock_that_is_no_lock_is_usage(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.lock.write_bytes(builder.lock.read_bytes() + b"\n")
    code, error = failing(builder, capsys)
    assert code == 2
    assert error.startswith("inputs.lock: another spelling or order (expected what relock writes)")
    assert "hint: do not edit the lock; run relock" in error
    builder.lock.write_bytes(encode_lock(Lock(LOCK.suites, (*LOCK.inputs, LOCK.inputs[0]))))
    code, error = failing(builder, capsys)
    assert code == 2
    assert error == "inputs.lock, cffi: 2.1.1 and 2.1.1 (expected one version)\n"


@pytest.mark.parametrize("policy", [b"", b"{}", b'{"schema": "cvm-audit/guest-policy/v2"}'])
def test_a_policy_that_is_no_policy_is_usage(
    builder: Builder, capsys: pytest.CaptureFixture[str], policy: bytes
) -> None:
    builder.policy.write_bytes(policy)
    code, error = failing(builder, capsys)
    assert code == 2
    assert error.startswith("guest policy")


def test_a_file_that_is_not_there_is_usage(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.policy.unlink()
    code, error = failing(builder, capsys)
    assert code == 2
    assert error == f"{builder.policy}: No such file or directory (expected a file)\n"


def test_a_missing_input_is_not_determined(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = LOCK.inputs[-1]
    (builder.store / "sha256" / victim.sha256.hex()).unlink()
    code, error = failing(builder, capsys)
    assert code == 3
    assert error.startswith(
        f"1 of {len(LOCK.inputs)} inputs: {victim}: no source to ask (expected all of them)\n"
    )


def test_a_bundle_is_enough(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "inputs.tar"
    assert builder.run("bundle", "-o", bundle) == 0
    assert builder.build() == 0
    first = {path.name: path.read_bytes() for path in builder.out.iterdir()}
    builder.store, builder.out = tmp_path / "empty store", tmp_path / "again"
    arguments = ["-o", builder.out, "--policy", builder.policy, "--bundle", bundle]
    assert builder.run("build", *arguments) == 0
    assert {path.name: path.read_bytes() for path in builder.out.iterdir()} == first
    assert capsys.readouterr().err.count(f", from bundle {bundle}") == len(LOCK.inputs)
    before = bundle.read_bytes()
    assert builder.run("bundle", "-o", bundle) == 3
    assert bundle.read_bytes() == before


def test_a_full_disk_leaves_no_image(builder: Builder) -> None:
    program = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))\n"
        "from pipeline.image.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["build", "--offline", "--lock", builder.lock, "--store", builder.store]
    arguments += ["-o", builder.out, "--policy", builder.policy]
    before = sorted(builder.folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == (f"error: {builder.out}: File too large (expected a place to write to)\n")
    assert sorted(builder.folder.rglob("*")) == before
    assert builder.build() == 0


def test_a_lock_is_verified(builder: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify-lock", "--lock", str(builder.lock)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        f"lock {sha256(builder.lock.read_bytes()).hexdigest()}, {len(LOCK.inputs)} inputs"
    )
    assert out[1].startswith("source ")
    assert len(out[1]) == len("source ") + 64


def test_an_unknown_verb_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["mend"])
    assert stop.value.code == 2
    assert "invalid choice: 'mend'" in capsys.readouterr().err


def test_the_guest_policy_has_a_schema() -> None:
    policy = {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": "log example.invalid/log+00000000+AAAA\nquorum none\n",
        "publishers": ["publisher.invalid+00000000+AAAA"],
        "publisherThreshold": 1,
        "listen": 8443,
    }
    validator = jsonschema.Draft202012Validator(schema("guest-policy"))
    validator.validate(policy)
    for name in policy:
        assert list(validator.iter_errors({k: v for k, v in policy.items() if k != name}))
    assert list(validator.iter_errors({**policy, "more": 1}))
