"""A toy release on disk: source with a builder of its own, inputs, artifacts, and the entry."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.making import Log, entry, policy, statement
from tests.ovmf_image import build_ovmf
from tests.running import Ran, cvm_audit
from tests.verifier.rebuild import toy_builder
from verifier.measurement.sev_snp import (
    Vmm,
    encode_matrix,
    launch_inputs_from_binaries,
    measurement_matrix,
)
from verifier.rebuild.source import read_source_tree
from verifier.release.dsse import parse_envelope

GUEST_POLICY = b'{"schema":"toy"}'
INIT = b"#!/usr/bin/python3.13 -IS\nimport os\n\nprint('hello')\n"
INPUTS = {
    "firmware": build_ovmf(),
    "kernel": b"a toy kernel" * 100,
    "tool": bytes(range(256)),
}
ROLES = {
    "firmware.fd": "firmware",
    "kernel.bin": "kernel",
    "initrd.bin": "initrd",
    "command-line.txt": "command-line",
    "manifest.json": "image-manifest",
    "sbom.json": "sbom",
}


@dataclass
class ToyRelease:
    """Everything of one release, below ``root``; ``document`` is the statement of its entry."""

    root: Path
    document: dict[str, Any] = field(default_factory=dict)
    log: Log = field(default_factory=lambda: Log(()))

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def image(self) -> Path:
        return self.source / "pipeline" / "image"

    def behave(self, *words: str) -> None:
        (self.image / "behaviour.txt").write_text("\n".join(words))

    def lock_of(self, **versions: str) -> str:
        parts = ['schema = "cvm-audit/image-lock/v1"\n']
        for name, raw in INPUTS.items():
            version = versions.get(name, "1.0-1")
            parts.append(
                f'\n[[input]]\nname = "{name}"\nversion = "{version}"\narchitecture = "amd64"\n'
                f'role = "{name}"\nsuite = "test"\npath = "pool/main/{name}_{version}.deb"\n'
                f'size = {len(raw)}\nsha256 = "{sha256(raw).hexdigest()}"\n'
            )
        return "".join(parts)

    def input(self, name: str) -> Path:
        return self.store / "sha256" / sha256(INPUTS[name]).hexdigest()

    def built(self) -> dict[str, bytes]:
        return {name: (self.artifacts / name).read_bytes() for name in ROLES}

    def state(self) -> None:
        """Make ``document`` say what ``source`` and ``artifacts`` are now."""
        built = self.built()
        tree = read_source_tree(self.source)
        inputs = launch_inputs_from_binaries(
            firmware=built["firmware.fd"],
            kernel=built["kernel.bin"],
            initrd=built["initrd.bin"],
            cmdline=built["command-line.txt"],
            vcpus=1,
            vcpu_signature=0,
            guest_features=1,
            vmm=Vmm.QEMU,
        )
        rows = measurement_matrix(
            inputs,
            vmms=(Vmm.QEMU, Vmm.EC2),
            vcpus=(1, 2, 4),
            signatures=(0x800F12, 0xA00F11),
            features=(0x1, 0x21),
        )
        self.document = statement(
            artifacts=[
                {"name": name, "role": role, "size": len(built[name]), "locations": []}
                for name, role in ROLES.items()
            ],
            build={
                "recipe": "toy/1",
                "sourceSha256": tree.sha256.hex(),
                "lockSha256": sha256(tree.lock).hexdigest(),
            },
            **json.loads(encode_matrix(rows)),
        )
        self.document["subject"] = [
            {"name": name, "digest": {"sha256": sha256(raw).hexdigest()}}
            for name, raw in built.items()
        ]

    def write_entry(self) -> Path:
        """Sign, log, and write the entry, its proof and a policy for both."""
        raw = entry(self.document)
        self.log = Log((b"another entry", raw))
        path = self.root / "entry.json"
        path.write_bytes(raw)
        (self.root / "entry.tlog-proof").write_bytes(self.log.proof(1))
        rules = policy(self.log, require=("log", "release"), platform="hardware")
        (self.root / "policy.toml").write_bytes(rules)
        return path

    def bundle(self, change: Callable[[str, bytes], bytes | None] = lambda _, raw: raw) -> Path:
        """The inputs as a tar; ``change`` gives each member's content, None leaves it out."""
        path = self.root / "inputs.tar"
        with tarfile.open(path, "w") as tar:
            for name, raw in INPUTS.items():
                content = change(name, raw)
                if content is not None:
                    member = tarfile.TarInfo(f"sha256/{sha256(raw).hexdigest()}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        return path

    def rebuild(self, *options: object, inputs: tuple[object, ...] | None = None) -> Ran:
        path = self.write_entry()
        where = ("--store", self.store) if inputs is None else inputs
        given = ("--source", self.source, *where, "--guest-policy", self.root / "guest-policy.json")
        return cvm_audit("release", "rebuild", path, *given, *options)

    @property
    def known(self) -> tuple[object, ...]:
        """The options that let a verdict be VERIFIED."""
        return (
            "--proof",
            self.root / "entry.tlog-proof",
            "--policy",
            self.root / "policy.toml",
            "--at",
            "2026-11-21T12:00:00Z",
        )


def make_toy_release(root: Path) -> ToyRelease:
    """A release that reproduces; what it states is what the toy builder made of its source."""
    toy = ToyRelease(root)
    for name in ("pipeline", "pipeline/image", "pipeline/node", "verifier"):
        (toy.source / name).mkdir(parents=True)
        (toy.source / name / "__init__.py").write_text(f'"""{name}."""\n')
    shutil.copy(toy_builder.__file__, toy.image / "__main__.py")
    (toy.source / "pipeline" / "node" / "init.py").write_bytes(INIT)
    (toy.image / "inputs.lock").write_text(toy.lock_of())
    (toy.store / "sha256").mkdir(parents=True)
    for name, raw in INPUTS.items():
        toy.input(name).write_bytes(raw)
    (root / "guest-policy.json").write_bytes(GUEST_POLICY)
    release(toy)
    return toy


def release(toy: ToyRelease) -> None:
    """Build the source as a publisher does, in no sandbox, and state the result."""
    import subprocess
    import sys

    shutil.rmtree(toy.artifacts, ignore_errors=True)
    options = ("-o", toy.artifacts, "--policy", toy.root / "guest-policy.json")
    command = [sys.executable, "-B", "-m", "pipeline.image", "build", *options]
    command += ["--store", toy.store, "--offline"]
    subprocess.run(list(map(str, command)), cwd=toy.source, check=True, timeout=60)
    toy.state()


def payload(folder: Path) -> dict[str, Any]:
    """The statement in ``folder``/entry.json, without a look at its signature."""
    document: dict[str, Any] = json.loads(
        parse_envelope((folder / "entry.json").read_bytes()).payload
    )
    return document
