"""A toy release on disk: source with a builder of its own, inputs, artifacts, and the entry."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.image.lock import FIRMWARE, KERNEL, USERLAND, Input, Lock, Suite, encode_lock
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
CONFIGURATION = b"# Linux/x86 6.12 Kernel Configuration\nCONFIG_MODULES=n\nCONFIG_PCI=y\n"
DATE = datetime(2026, 11, 21, tzinfo=UTC)
LOCKED = {"firmware": FIRMWARE, "kernel": KERNEL, "tool": USERLAND}
ROLES = {
    "firmware.fd": "firmware",
    "kernel.bin": "kernel",
    "initrd.bin": "initrd",
    "command-line.txt": "command-line",
    "guest-policy.json": "guest-policy",
    "kernel-config.txt": "kernel-config",
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

    def lock_of(self, contents: Mapping[str, bytes] = INPUTS, **versions: str) -> str:
        """A lock of the real spelling; keyword arguments are versions of inputs."""
        items = (
            (name, versions.get(name, "1.0-1"), raw, sha256(raw).digest())
            for name, raw in contents.items()
        )
        inputs = tuple(
            Input(
                name=name,
                version=version,
                architecture="amd64",
                role=LOCKED[name],
                suite="trixie",
                path=f"pool/main/{name}_{version}.deb",
                size=len(raw),
                sha256=digest,
            )
            for name, version, raw, digest in items
        )
        return encode_lock(Lock((Suite("trixie", DATE, bytes(32)),), inputs)).decode()

    def input(self, name: str) -> Path:
        return self.store / "sha256" / sha256(INPUTS[name]).hexdigest()

    def built(self) -> dict[str, bytes]:
        """What the build made; the real builder makes no kernel configuration."""
        found = {name: self.artifacts / name for name in ROLES}
        return {name: path.read_bytes() for name, path in found.items() if path.exists()}

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
                {"name": name, "role": ROLES[name], "size": len(raw), "locations": []}
                for name, raw in built.items()
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
        """Rebuild from source and store, without a network; ``inputs`` replaces the store."""
        path = self.write_entry()
        where = ("--store", self.store, "--offline") if inputs is None else inputs
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
    (toy.image / "kernel.config").write_bytes(CONFIGURATION)
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


def finding(ran: Ran, check: str, status: str = "fail") -> dict[str, str]:
    """The first finding of a check with that status in a verdict that was printed as JSON."""
    document = json.loads(ran.out)
    found: list[dict[str, str]] = [
        item for item in document["findings"] if (item["check"], item["status"]) == (check, status)
    ]
    assert found, [(item["check"], item["status"]) for item in document["findings"]]
    return found[0]


def failures(ran: Ran) -> set[str]:
    """The checks that failed."""
    return {item["check"] for item in json.loads(ran.out)["findings"] if item["status"] == "fail"}


def flipped(path: Path, place: int) -> None:
    """Change one bit of the byte at ``place`` of a file; negative counts from the end."""
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
