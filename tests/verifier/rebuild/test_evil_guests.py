"""Three evil guests, released as if they came from the good source: each is caught."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.running import Ran, cvm_audit
from tests.verifier.rebuild.toy_release import INIT, ToyRelease, make_toy_release, release

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

CHECKED = INIT + b"if not proof_holds():\n    raise SystemExit(1)\nserve()\n"
FROM_DISK = CHECKED.replace(b"import os\n", b"import os\nos.environ.update(read('/dev/vda'))\n")
UNCHECKED = CHECKED.replace(b"if not proof_holds():", b"if False:")
SHELL = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02".ljust(64, b"\0") + b"BusyBox v1.36.1"


@pytest.fixture
def toy(tmp_path: Path) -> ToyRelease:
    toy = make_toy_release(tmp_path / "toy")
    init(toy).write_bytes(CHECKED)
    release(toy)
    return toy


def init(toy: ToyRelease) -> Path:
    return toy.source / "pipeline" / "node" / "init.py"


def evil(toy: ToyRelease, program: bytes, extra: bytes = b"") -> Ran:
    """Release what another source builds to in the name of this one, and rebuild it."""
    good = toy.document["predicate"]["build"]
    init(toy).write_bytes(program)
    builder = toy.image / "__main__.py"
    honest = builder.read_text()
    if extra:
        line = f'    files["usr/bin/helper"] = {extra!r}\n    behaviour = '
        builder.write_text(honest.replace("    behaviour = ", line, 1))
    release(toy)
    toy.document["predicate"]["build"] = good
    init(toy).write_bytes(CHECKED)
    builder.write_text(honest)
    return toy.rebuild("--json", "--artifacts", toy.artifacts)


def failed(ran: Ran) -> dict[str, str]:
    findings = json.loads(ran.out)["findings"]
    return {item["check"]: item["got"] for item in reversed(findings) if item["status"] == "fail"}


def scanned(toy: ToyRelease) -> dict[str, str]:
    return failed(cvm_audit("release", "scan", toy.artifacts, "--json"))


def test_the_good_guest(toy: ToyRelease) -> None:
    assert toy.rebuild("--json").code == 4
    assert not {"scan.host_media", "scan.programs", "scan.leftovers"} & set(scanned(toy))


def test_a_guest_that_takes_its_environment_from_a_disk_of_the_host(toy: ToyRelease) -> None:
    ran = evil(toy, FROM_DISK)
    found = failed(ran)
    assert ran.code == 1
    assert {"rebuild.artifact", "rebuild.measurement"} == set(found)
    first = "first difference: init: line 3: released \"os.environ.update(read('/dev/vda'))\""
    assert first in found["rebuild.artifact"]
    assert scanned(toy)["scan.host_media"] == "init: line 3 says '/dev/vda'"


def test_a_guest_that_keeps_a_shell(toy: ToyRelease) -> None:
    ran = evil(toy, CHECKED, SHELL)
    first = "first difference: usr/bin: released a directory, mode 0755, rebuilt no such path"
    assert first in failed(ran)["rebuild.artifact"]
    assert f"usr/bin/helper\n    released: a file of {len(SHELL)} bytes" in ran.err
    found = scanned(toy)
    assert found["scan.programs"] == "usr/bin/helper: can be executed"
    assert found["scan.leftovers"] == "usr/bin/helper: holds the words 'BusyBox v1.'"


def test_a_guest_that_skips_its_own_proof_check(toy: ToyRelease) -> None:
    ran = evil(toy, UNCHECKED)
    found = failed(ran)
    assert {"rebuild.artifact", "rebuild.measurement"} == set(found)
    first = "init: line 5: released 'if False:', rebuilt 'if not proof_holds():'"
    assert first in found["rebuild.artifact"]
