"""The image of this tree: built as a publisher does, rebuilt and scanned as an auditor does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.making import PUBLISHER, Log
from tests.running import ROOT, cvm_audit
from tests.verifier.rebuild.toy_release import ToyRelease

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed"),
    pytest.mark.skipif(
        "CVM_AUDIT_IMAGE_STORE" not in os.environ, reason="no inputs: set CVM_AUDIT_IMAGE_STORE"
    ),
]

GUEST_POLICY = {
    "schema": "cvm-audit/guest-policy/v1",
    "role": "summariser",
    "logPolicy": f"log {Log(()).key}\nquorum none\n",
    "publishers": [str(PUBLISHER.key.vkey)],
    "publisherThreshold": 1,
    "listen": 8443,
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ToyRelease:
    real = ToyRelease(tmp_path_factory.mktemp("image"))
    for name in ("pipeline", "verifier"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, real.source / name, ignore=ignored)
    real.store.symlink_to(os.environ["CVM_AUDIT_IMAGE_STORE"])
    (real.root / "guest-policy.json").write_text(json.dumps(GUEST_POLICY))
    options = ("-o", real.artifacts, "--policy", real.root / "guest-policy.json")
    command = [sys.executable, "-B", "-m", "pipeline.image", "build", *map(str, options)]
    command += ["--store", str(real.store), "--offline"]
    subprocess.run(command, cwd=real.source, check=True, timeout=300)
    real.state()
    return real


def test_it_is_reproduced(real: ToyRelease) -> None:
    real.write_entry()
    ran = real.rebuild(*real.known, "--artifacts", real.artifacts)
    assert ran.code == 0, ran.out + ran.err


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
