"""``drive --log --rebuild`` on a toy release, on a machine that builds and has no QEMU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from log_server.signer import Ed25519Signer
from tests import making
from tests.log_server.foreign import publish_foreign
from tests.running import Ran, cvm_audit
from tests.verifier.rebuild.toy_release import ToyRelease, failures, finding
from verifier.drive.artifacts import FILES

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

SIGNER = Ed25519Signer(name=making.ORIGIN, seed=b"L" * 32)
BEFORE_A_BOOT = [".cvm-audit-drive", "rebuild", "release-1"]


@pytest.fixture
def logged(toy: ToyRelease, monkeypatch: pytest.MonkeyPatch) -> ToyRelease:
    programs = toy.root / "programs"
    programs.mkdir()
    for name in ("bwrap", "prlimit", "true"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    (toy.root / "platform").mkdir()
    toy.write_entry()
    (toy.root / "policy.toml").write_bytes(making.policy(toy.log, report_data="session"))
    publish_foreign(toy.root / "log", toy.log.entries, SIGNER)
    return toy


def drive(toy: ToyRelease, *more: object, guest_policy: bool = True) -> Ran:
    named = ("--guest-policy", toy.root / "guest-policy.json") if guest_policy else ()
    return cvm_audit(
        *("drive", "--direct", "--log", toy.root / "log", "--policy", toy.root / "policy.toml"),
        *("--platform", toy.root / "platform", "--work", toy.root / "work", "--format", "json"),
        *("--rebuild", "--source", toy.source, "--store", toy.store, "--offline", *named),
        *("--at", "2026-11-21T12:00:00Z", *more),
    )


def kept(toy: ToyRelease) -> list[str]:
    return sorted(path.name for path in (toy.root / "work").iterdir())


def test_what_was_built_is_booted_and_its_verdict_is_part_of_the_drive(logged: ToyRelease) -> None:
    ran = drive(logged)
    assert ran.code == 3, ran.err
    read = json.loads(ran.out)
    assert read["target"]["kind"] == "drive"
    assert read["stages"] == ["evidence", "log", "release", "drive", "rebuild"]
    assert {"rebuild.source", "rebuild.artifact", "drive.boot"} <= set(read["required"])
    assert not failures(ran)
    for check in ("rebuild.reproducible", "rebuild.measurement", "drive.artifacts"):
        assert finding(ran, check, "pass")
    assert "it is not installed" in finding(ran, "drive.boot", "error")["got"]
    assert read["notProven"] == []
    image = logged.root / "work" / "image-1"
    assert {name: (image / name).read_bytes() for name in FILES.values()} == {
        name: (logged.artifacts / name).read_bytes() for name in FILES.values()
    }
    assert "release: what was built is what was released" in ran.err


def test_a_stored_verdict_of_both_can_be_rendered(logged: ToyRelease, tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(drive(logged).out)
    rendered = cvm_audit("report", "render", path, "--format", "text")
    assert rendered.code == 0, rendered.err
    assert "rebuild.artifact" in rendered.out


def test_a_later_run_resumes(logged: ToyRelease) -> None:
    assert "made by an earlier run" not in drive(logged).out
    again = drive(logged)
    builds = [f for f in json.loads(again.out)["findings"] if f["check"] == "rebuild.build"]
    assert [each["status"] for each in builds] == ["pass", "pass"]
    assert all("made by an earlier run" in each["got"] for each in builds)


def test_a_rebuild_that_differs_fails_and_nothing_is_booted(logged: ToyRelease) -> None:
    init = logged.source / "pipeline" / "node" / "init.py"
    init.write_bytes(init.read_bytes() + b"# more\n")
    ran = drive(logged)
    read = json.loads(ran.out)
    assert (ran.code, read["verdict"], read["target"]["kind"]) == (1, "FAILED", "release-entry")
    assert failures(ran) == {"rebuild.source", "rebuild.artifact", "rebuild.measurement"}
    assert not [each for each in read["findings"] if each["check"].startswith("drive.")]
    assert kept(logged) == BEFORE_A_BOOT


def test_a_missing_input_determines_nothing_and_nothing_is_booted(logged: ToyRelease) -> None:
    logged.input("kernel").unlink()
    ran = drive(logged)
    assert ran.code == 3
    assert finding(ran, "rebuild.inputs", "error")["got"] == "kernel 1.0-1 is not at hand"
    assert kept(logged) == BEFORE_A_BOOT


def test_an_artifact_that_no_build_makes_is_named(logged: ToyRelease) -> None:
    logged.document["predicate"]["artifacts"].append(
        {"name": "notes", "role": "vmm-command", "size": 4, "locations": []}
    )
    logged.document["subject"].append({"name": "notes", "digest": {"sha256": "ab" * 32}})
    logged.write_entry()
    (logged.root / "policy.toml").write_bytes(making.policy(logged.log, report_data="session"))
    shutil.rmtree(logged.root / "log")
    publish_foreign(logged.root / "log", logged.log.entries, SIGNER)
    ran = drive(logged)
    assert (ran.code, json.loads(ran.out)["notProven"]) == (3, ["rebuild.coverage"])


def test_the_guest_policy_is_looked_for_where_the_artifacts_are(logged: ToyRelease) -> None:
    ran = drive(logged, "--from", logged.artifacts, guest_policy=False)
    assert (ran.code, failures(ran)) == (3, set())
    assert finding(ran, "drive.artifacts", "pass")
    shutil.rmtree(logged.root / "work")
    ran = drive(logged, "--from", logged.source, guest_policy=False)
    assert ran.code == 3
    assert "guest-policy.json" in finding(ran, "rebuild.inputs", "error")["got"]
    assert kept(logged) == BEFORE_A_BOOT


def test_a_release_that_does_not_hold_is_not_built(logged: ToyRelease) -> None:
    rules = making.policy(logged.log, release={"minimum_security_version": 9})
    (logged.root / "policy.toml").write_bytes(rules)
    ran = drive(logged)
    assert (ran.code, failures(ran)) == (1, {"release.security_version"})
    assert kept(logged) == [".cvm-audit-drive", "release-1"]
