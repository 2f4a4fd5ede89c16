"""A bundle judged again: the same verdict anywhere, and never by a policy that slipped in."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.platform.simulated_vendor import root_document
from tests.making import FLOOR, NOW, bundle, policy
from tests.running import ROOT, Ran, cvm_audit
from tests.synthetic_amd import simulated_amd
from verifier.evidence.bundle_tar import encode_bundle_tar

AMD = simulated_amd()
RULES = policy(
    require=("evidence",),
    crl="fresh",
    measurement=["11" * 48],
    report_data=["22" * 64],
    floors={"Milan": FLOOR},
)
STRICTER = RULES.replace(b'"11111', b'"22222', 1)
# Current at the instant that the bundle records, and stale ever since.
CONTENTS = {
    "snp-report": AMD.report(),
    "snp-vek": AMD.vek(),
    "snp-crl": AMD.crl(next_update=NOW + timedelta(minutes=5)),
    "policy": RULES,
}
WORD = "it is the word of whoever made the bundle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle", bundle(CONTENTS))
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "root.json").write_bytes(root_document(AMD.vendor))
    (tmp_path / "policy.toml").write_bytes(RULES)
    (tmp_path / "stricter.toml").write_bytes(STRICTER)
    return tmp_path


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def reverify(folder: Path, *arguments: object, name: str = "bundle") -> Ran:
    roots = ("--trust-root", folder / "roots")
    return cvm_audit("evidence", "reverify", folder / name, *roots, *arguments)


def recorded(folder: Path, *arguments: object) -> Ran:
    return reverify(folder, "--recorded-policy", *arguments)


@pytest.mark.usefixtures("offline")
def test_the_verdict_is_that_of_the_recorded_instant(folder: Path) -> None:
    ran = reverify(folder, "--policy", folder / "policy.toml")
    assert ran.code == 0, ran.out
    assert "instant  2026-11-21T12:00:00Z, offline" in ran.out
    lines = ran.err.splitlines()
    instant = "the instant of this verdict, 2026-11-21T12:00:00Z"
    assert lines[0] == f"cvm-audit: {instant}: recorded in the bundle: {WORD}"
    assert lines[1].startswith("cvm-audit: today, at 20")
    assert lines[1].endswith("Z: FAILED; failed: snp.crl.freshness")


def test_a_recorded_policy_is_used_only_on_request_and_named(folder: Path) -> None:
    ran = recorded(folder)
    assert ran.code == 0, ran.out
    digest = hashlib.sha256(RULES).hexdigest()
    first = f"cvm-audit: the policy that the bundle records, test-policy, sha256 {digest}: {WORD}"
    assert ran.err.splitlines()[0] == first
    assert f"policy   test-policy (sha256 {digest})" in ran.out
    assert "--recorded-policy" in ran.last


@pytest.mark.parametrize("both", [False, True])
def test_the_policy_must_be_named(folder: Path, both: bool) -> None:
    named = ("--recorded-policy", "--policy", folder / "policy.toml") if both else ()
    ran = reverify(folder, *named)
    assert ran.code == 2
    assert "exactly one of the two" in ran.err
    assert ran.out == ""


def test_the_recorded_policy_never_replaces_the_auditors(folder: Path) -> None:
    ran = reverify(folder, "--policy", folder / "stricter.toml")
    assert ran.code == 1
    assert "fail  snp.measurement" in ran.out
    assert f"sha256 {hashlib.sha256(STRICTER).hexdigest()}" in ran.out
    assert hashlib.sha256(RULES).hexdigest() not in ran.out + ran.err


def test_a_bundle_without_a_policy_has_none_to_use(folder: Path) -> None:
    bare = {role: content for role, content in CONTENTS.items() if role != "policy"}
    write(folder / "bare", bundle(bare))
    ran = reverify(folder, "--recorded-policy", name="bare")
    assert ran.code == 2
    expected = "a bundle with a member in the role policy"
    assert ran.err == f"cvm-audit: --recorded-policy: none is recorded (expected {expected})\n"


def test_a_recorded_policy_that_is_unusable(folder: Path) -> None:
    write(folder / "bad", bundle(CONTENTS | {"policy": b"x = 1"}))
    ran = reverify(folder, "--recorded-policy", name="bad")
    assert ran.code == 2
    assert "policy.schema: it is missing" in ran.err


def test_a_simulated_root_is_never_taken_from_a_bundle(folder: Path) -> None:
    ran = cvm_audit("evidence", "reverify", folder / "bundle", "--recorded-policy")
    assert ran.code == 1
    assert "fail  snp.vek.issuer" in ran.out


@pytest.mark.parametrize("instant", ["--now", "--at"])
def test_another_instant_on_request(folder: Path, instant: str) -> None:
    arguments = ("--now",) if instant == "--now" else ("--at", "2026-11-21T12:05:01Z")
    ran = recorded(folder, *arguments)
    assert ran.code == 1
    assert "fail  snp.crl.freshness" in ran.out
    whose = "the clock of this machine" if instant == "--now" else "from --at"
    assert ran.err.splitlines()[1].endswith(f"Z: {whose}")


def test_two_instants_are_one_too_many(folder: Path) -> None:
    ran = recorded(folder, "--now", "--at", "2026-11-21T12:00:00Z")
    assert ran.code == 2
    assert "--at and --now name two instants" in ran.err


def test_an_instant_that_has_not_come_is_not_believed(folder: Path) -> None:
    late = datetime(2090, 1, 1, tzinfo=UTC)
    write(folder / "late", bundle(CONTENTS, captured=late))
    ran = reverify(folder, "--recorded-policy", name="late")
    assert ran.code == 1
    assert "bundle.json.captured: 2090-01-01T00:00:00Z (expected " in ran.err
    assert ran.out == ""


def test_a_changed_member_fails_under_either_policy(folder: Path) -> None:
    (folder / "bundle" / "m" / "snp-crl").write_bytes(AMD.crl())
    ran = reverify(folder, "--policy", folder / "policy.toml", "--json")
    assert ran.code == 1
    failed = [f["check"] for f in json.loads(ran.out)["findings"] if f["status"] == "fail"]
    assert failed == ["bundle.member"]
    assert recorded(folder).code == 1


def test_what_is_no_bundle_is_judged_at_this_instant(folder: Path) -> None:
    (folder / "bundle" / "bundle.json").write_bytes(b"{}")
    ran = reverify(folder, "--policy", folder / "policy.toml")
    assert ran.code == 1
    assert "fail  bundle.format" in ran.out
    assert ran.err.splitlines()[0].endswith("Z: the clock of this machine")
    assert recorded(folder).code == 1


def test_a_tar_is_a_bundle_too(folder: Path) -> None:
    (folder / "bundle.tar").write_bytes(encode_bundle_tar(bundle(CONTENTS)))
    whole = reverify(folder, "--recorded-policy", "--json", name="bundle.tar")
    assert whole.code == 0
    assert whole.out == recorded(folder, "--json").out


def test_elsewhere_in_an_empty_environment_the_document_is_the_same(folder: Path) -> None:
    first = recorded(folder, "--json")
    assert first.code == 0
    shutil.copytree(folder / "bundle", folder / "another place" / "copy")
    done = subprocess.run(
        [
            *("env", "-i", sys.executable, "-m", "verifier"),
            *("evidence", "reverify", folder / "another place" / "copy"),
            *("--trust-root", folder / "roots", "--recorded-policy", "--json", "--offline"),
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == first.out.encode()
