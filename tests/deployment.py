"""The reference image as tests drive it: built from this tree, released, logged, with a platform.

Everything comes from the inputs of the lock, which ``make inputs`` fetches; building takes two
seconds. Nothing here boots: that is up to the tests, and needs QEMU.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests import making
from tests.running import ROOT
from tests.verifier.drive.deployed import write_platform
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.appraisal.verdict import Verdict
from verifier.cli.judging import load_policy, load_roots
from verifier.client.session import SessionEvidence
from verifier.drive.artifacts import Artifacts, hash_table, read_artifacts
from verifier.drive.level import Accelerator
from verifier.drive.machine import Boot
from verifier.drive.qemu import Shape
from verifier.library import NotVerifiedError, verify_bundle
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    Vmm,
    encode_matrix,
    launch_inputs_from_binaries,
    measurement_matrix,
)
from verifier.release.directory_digest import SOURCE_FOLDERS

__all__ = [
    "VCPU_TYPE",
    "InputsMissingError",
    "LoggedImage",
    "build_image",
    "copy_source",
    "log_image",
]

VCPU_TYPE = "EPYC-Milan"
_INPUTS_MISSING = 3  # exit code of the builder
_BUILD_SECONDS = 3600  # with a kernel to compile


class InputsMissingError(Exception):
    """The store lacks inputs of the lock; in the words of the builder."""


@dataclass(frozen=True)
class LoggedImage:
    """An image, the release that a log has of it, and who would believe that, below ``folder``."""

    folder: Path
    log: making.Log
    statement: Mapping[str, Any]

    @property
    def entry(self) -> bytes:
        return self.log.entries[1]

    @property
    def proof(self) -> bytes:
        return self.log.proof(1)

    @cached_property
    def artifacts(self) -> Artifacts:
        return read_artifacts(self.folder / "artifacts")

    def boot(self, **changes: Any) -> Boot:
        """A boot of it; keyword arguments replace members."""
        table, gpa = hash_table(self.artifacts)
        members: dict[str, Any] = {
            "artifacts": self.artifacts,
            "table": table,
            "table_gpa": gpa,
            "shape": Shape(vcpus=1, vcpu_type=VCPU_TYPE, memory=512),
            "accelerator": Accelerator.TCG,
            "entry": self.entry,
            "proof": self.proof,
            "platform": self.folder / "platform",
        }
        return Boot(**(members | changes))

    def words(self, *, artifacts: Path | None = None, seconds: int = 120) -> tuple[object, ...]:
        """The command that drives it, or other artifacts under its release."""
        return (
            *("drive", "--direct", "--release", self.folder / "release"),
            *("--artifacts", artifacts or self.folder / "artifacts"),
            *("--policy", self.folder / "policy.toml", "--platform", self.folder / "platform"),
            *("--trust-root", self.folder / "trust", "--seconds", seconds),
        )

    def judge(self, evidence: SessionEvidence) -> Verdict:
        """The verdict under its policy, as any client comes to it."""
        now = datetime.now(UTC)
        try:
            return verify_bundle(
                evidence.bundle(policy=b"", captured=now),
                policy=load_policy(str(self.folder / "policy.toml")),
                roots=load_roots(self.folder / "trust"),
                now=now,
                nonce=evidence.nonce,
            ).verdict
        except NotVerifiedError as error:
            return error.verdict


def copy_source(folder: Path, edits: Mapping[str, Callable[[str], str]] | None = None) -> Path:
    """A copy of the source that counts for an image, with ``edits`` of files by their paths."""
    for name in SOURCE_FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edit in (edits or {}).items():
        before = (folder / name).read_text("utf-8")
        after = edit(before)
        assert after != before, f"the edit of {name} found nothing to change"
        (folder / name).write_text(after, "utf-8")
    return folder


def build_image(source: Path, out: Path, *, store: Path, more: tuple[str, ...] = ()) -> None:
    """Build the image of ``source`` as a publisher does, with the guest policy of the tests.

    ``more`` are options of the builder that say of which recipe.
    """
    policy = out.with_name(f"{out.name}.guest-policy.json")
    policy.write_text(json.dumps(_guest_policy()))
    options = ("-o", out, "--policy", policy, "--store", store, "--offline", *more)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pipeline.image", "build", *map(str, options)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode == _INPUTS_MISSING:
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        raise InputsMissingError("; ".join(said))
    assert done.returncode == 0, done.stderr


def _guest_policy() -> dict[str, Any]:
    return {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": f"log {making.Log(()).key}\nquorum none\n",
        "publishers": [str(making.PUBLISHER.key.vkey)],
        "publisherThreshold": 1,
        "listen": 8443,
    }


def log_image(folder: Path) -> LoggedImage:
    """Sign and log what ``folder``/artifacts holds, and write all that a drive of it needs."""
    statement = _statement(folder / "artifacts")
    log = making.Log((b"another entry", making.entry(statement)))
    image = LoggedImage(folder, log, statement)
    (folder / "release").mkdir()
    (folder / "release" / "entry.json").write_bytes(image.entry)
    (folder / "release" / "entry.tlog-proof").write_bytes(image.proof)
    (folder / "policy.toml").write_bytes(making.policy(log, report_data="session"))
    write_platform(folder / "platform")
    (folder / "trust").mkdir()
    shutil.copy(folder / "platform" / "root.json", folder / "trust")
    return image


def _statement(artifacts: Path) -> dict[str, Any]:
    built = {
        role: path.read_bytes()
        for role, name in BUILT_FILES.items()
        if (path := artifacts / name).exists()  # not every tier makes every file
    }
    manifest = json.loads(built["image-manifest"])
    document = making.statement(
        artifacts=[
            {"name": BUILT_FILES[role], "role": role, "size": len(content), "locations": []}
            for role, content in built.items()
        ],
        build={name: manifest[name] for name in ("recipe", "sourceSha256", "lockSha256")},
        **json.loads(_matrix(read_artifacts(artifacts))),
    )
    document["subject"] = [
        {"name": BUILT_FILES[role], "digest": {"sha256": sha256(content).hexdigest()}}
        for role, content in built.items()
    ]
    return document


def _matrix(artifacts: Artifacts) -> bytes:
    inputs = launch_inputs_from_binaries(
        firmware=artifacts.firmware,
        kernel=artifacts.kernel,
        initrd=artifacts.initrd,
        cmdline=artifacts.cmdline,
        vcpus=1,
        vcpu_signature=0,
        guest_features=1,
        vmm=Vmm.QEMU,
    )
    rows = measurement_matrix(
        inputs,
        vmms=(Vmm.QEMU,),
        vcpus=(1, 2, 4),
        signatures=tuple({VCPU_SIGNATURES[name] for name in (VCPU_TYPE, "EPYC-Genoa")}),
        features=(0x1,),
    )
    return encode_matrix(rows)
