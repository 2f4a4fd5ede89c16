"""One test for every way to end without success, and for what ends with it.

The evidence is a genuine report where one is at hand; the rest needs none.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.making import NOW, PUBLISHER, Log, bundle, entry, policy
from tests.running import ROOT, Ran, cvm_audit
from verifier.evidence.bundle import MAX_MEMBER

AT = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
LOG = Log((b"another entry", entry()))
RULES = ("log", "release")


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A bundle with a logged release, and a policy that asks for nothing else."""
    contents = {"release-entry": entry(), "release-proof": LOG.proof(1)}
    written(tmp_path / "bundle", bundle(contents))
    written(tmp_path, {"policy.toml": policy(LOG, require=RULES)})
    written(tmp_path, {"entry.json": entry(), "entry.proof": LOG.proof(1)})
    return tmp_path


def verify(folder: Path, *more: str) -> Ran:
    paths = (folder / "bundle", "--policy", folder / "policy.toml")
    return cvm_audit("verify", *paths, "--at", AT, *more)


def test_0_verified(logged: Path) -> None:
    ran = verify(logged)
    assert ran.code == 0
    assert ran.last.startswith("VERIFIED; 12 passed; re-verify: ")
    assert ran.err == ""


def test_0_release_verified(logged: Path) -> None:
    proof = ("--proof", logged / "entry.proof", "--policy", logged / "policy.toml")
    ran = cvm_audit("release", "verify", logged / "entry.json", *proof, "--at", AT)
    assert ran.code == 0
    assert ran.last.startswith("VERIFIED; 10 passed")


def test_1_failed(logged: Path) -> None:
    written(logged, {"policy.toml": policy(LOG, require=RULES, release={"role": "guard"})})
    ran = verify(logged)
    assert ran.code == 1
    assert ran.last.startswith("FAILED; 11 passed; failed: release.role; ")


def test_1_malformed_evidence_is_a_failure_of_class_input(logged: Path) -> None:
    written(logged / "bundle", {"bundle.json": b"{"})
    ran = verify(logged)
    assert ran.code == 1
    assert "class input" in ran.out
    assert ran.last.startswith(
        "FAILED; 0 passed; failed: bundle.format; skipped: bundle.member, log.proof"
    )


def test_1_missing_evidence_is_a_failure(logged: Path) -> None:
    files = bundle({"release-entry": entry()})
    (logged / "bundle" / "m" / "release-proof").unlink()
    written(logged / "bundle", files)
    ran = verify(logged)
    assert ran.code == 1
    assert ran.last.startswith("FAILED; 8 passed; failed: log.proof.format; ")


def test_1_an_entry_that_cannot_be_shown(logged: Path) -> None:
    written(logged, {"bad.json": b"{}"})
    ran = cvm_audit("release", "show", logged / "bad.json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("cvm-audit: envelope.payload: it is missing (expected the member)")


def test_1_a_file_of_no_known_kind(logged: Path) -> None:
    ran = cvm_audit("evidence", "inspect", logged / "policy.toml")
    assert ran.code == 1
    assert ran.err.startswith("cvm-audit: file: ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("verify",),
        ("verify", "--frobnicate"),
        ("evidence", "verify"),
        ("release", "publish"),
    ],
)
def test_2_usage(arguments: tuple[str, ...]) -> None:
    ran = cvm_audit(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "cvm-audit" in ran.err


@pytest.mark.parametrize(
    "more",
    [
        ("--at", "yesterday"),
        ("--at", "2026-11-21T12:00:00+01:00"),
        ("--nonce", "00"),
        ("--format", "poem"),
        ("-o", "json"),
        ("-o", "poem=x"),
    ],
)
def test_2_unusable_options(logged: Path, more: tuple[str, str]) -> None:
    ran = verify(logged, *more)
    assert (ran.code, ran.out) == (2, "")
    assert more[0] in ran.err


def test_2_a_missing_bundle(logged: Path) -> None:
    ran = cvm_audit("verify", logged / "nowhere", "--policy", logged / "policy.toml")
    assert ran.code == 2
    assert "nowhere" in ran.err


def test_2_a_policy_that_requires_nothing(logged: Path) -> None:
    written(logged, {"policy.toml": policy(LOG, require=())})
    ran = verify(logged)
    assert (ran.code, ran.out) == (2, "")
    expected = (
        "cvm-audit: policy.require: nothing (expected at least one of evidence, keys, log, release)"
    )
    assert ran.err == expected + "\n"


def test_2_a_misspelt_policy(logged: Path) -> None:
    written(logged, {"policy.toml": policy(LOG, require=RULES) + b"minimum_tcb = 3\n"})
    ran = verify(logged)
    assert ran.code == 2
    assert "minimum_tcb" in ran.err


def test_2_a_release_judged_under_a_policy_without_release(logged: Path) -> None:
    written(logged, {"policy.toml": policy(LOG, require=("log",))})
    proof = ("--proof", logged / "entry.proof", "--policy", logged / "policy.toml")
    ran = cvm_audit("release", "verify", logged / "entry.json", *proof)
    assert ran.code == 2
    assert "policy.require" in ran.err


def test_2_a_trust_root_folder_without_roots(logged: Path) -> None:
    (logged / "roots").mkdir()
    ran = verify(logged, "--trust-root", str(logged / "roots"))
    assert ran.code == 2
    assert "*.json root documents" in ran.err


def test_2_a_trust_root_that_is_no_root(logged: Path) -> None:
    written(logged / "roots", {"a.json": b"{}"})
    ran = verify(logged, "--trust-root", str(logged / "roots"))
    assert (ran.code, ran.out) == (2, "")


def test_2_nothing_is_overwritten(logged: Path) -> None:
    target = written(logged, {"verdict.json": b"mine"}) / "verdict.json"
    ran = verify(logged, "-o", f"json={target}")
    assert ran.code == 2
    assert target.read_bytes() == b"mine"
    assert sorted(path.name for path in logged.iterdir() if "partial" in path.name) == []


def test_2_a_private_key_that_others_may_read(logged: Path) -> None:
    key = written(logged, {"publisher.key": b"PRIVATE+KEY+x"}) / "publisher.key"
    key.chmod(0o644)
    ran = cvm_audit(
        "release", "publish", logged / "entry.json", "--key", key, "--log", "http://127.0.0.1:1",
        "--vkey", str(LOG.key), "-o", logged / "out",
    )  # fmt: skip
    assert ran.code == 2
    assert "0644 (expected mode 0600)" in ran.err


def test_3_the_log_does_not_answer(logged: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"  # bound, and nobody listens
        ran = cvm_audit(
            "release", "fetch", "--index", "0", "--log", url, "--vkey", str(LOG.key),
            "-o", logged / "out",
        )  # fmt: skip
    assert ran.code == 3
    assert ran.err == f"cvm-audit: {url}/checkpoint: no connection (expected an answer)\n"
    assert not (logged / "out").exists()


def test_3_no_certificate_is_not_determined(logged: Path, vectors: Path) -> None:
    report = vectors / "snp" / "reports" / "milan-v4-vcek-openpcc-68535c.bin"
    written(logged / "bundle", bundle({"snp-report": report.read_bytes()}))
    for name in ("release-entry", "release-proof"):
        (logged / "bundle" / "m" / name).unlink()
    rules = policy(require=("evidence",), measurement=["11" * 48], platform="hardware")
    written(logged, {"policy.toml": rules})
    ran = verify(logged)
    assert ran.code == 3
    assert ran.last.startswith("NOT DETERMINED; ")
    assert "class infrastructure" in ran.out


def test_4_without_a_policy_it_is_partial(vectors: Path) -> None:
    name = "turin-v5-vcek-ms-tav-85da70"
    report = vectors / "snp" / "reports" / f"{name}.bin"
    vek = vectors / "snp" / "certs" / f"{name}.vcek.der"
    ran = cvm_audit("evidence", "verify", "--report", report, "--vek", vek, "--at", AT)
    assert ran.code == 4
    assert re.match(r"PARTIAL; \d+ passed; not proven: snp\.product\.allowed, ", ran.last)
    assert "snp.measurement" in ran.last


def test_70_a_bug(logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the judge")

    monkeypatch.setattr("verifier.cli.verify.appraise_bundle", bug)
    ran = verify(logged)
    assert (ran.code, ran.out) == (70, "")
    assert ran.err.startswith("cvm-audit: internal error: ZeroDivisionError: in the judge\n")


def test_the_installed_programs_end_with_these_codes(logged: Path) -> None:
    command = [sys.executable, "-m", "verifier", "verify", str(logged / "bundle")]
    options = ["--policy", str(logged / "policy.toml"), "--at", AT]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    later = ["--policy", str(logged / "policy.toml"), "--at", "2030-01-01T00:00:00Z"]
    done = subprocess.run([*command, *later], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1


def test_3_a_reader_that_has_left(logged: Path) -> None:
    command = [sys.executable, "-m", "verifier", "verify", str(logged / "bundle")]
    options = ["--policy", str(logged / "policy.toml"), "--at", AT]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*command, *options], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.usefixtures("offline")
def test_offline_opens_no_socket(logged: Path) -> None:
    assert verify(logged, "--offline").code == 0


def test_keygen_writes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    key = tmp_path / "publisher.key"
    ran = cvm_audit("release", "keygen", "--name", "example.invalid/p", "-o", key)
    assert ran.code == 0
    assert ran.out.startswith("example.invalid/p+")
    assert key.stat().st_mode & 0o777 == 0o600
    again = cvm_audit("release", "keygen", "--name", "example.invalid/p", "-o", key)
    assert again.code == 2
    bad = cvm_audit("release", "keygen", "--name", "with blank", "-o", tmp_path / "other")
    assert bad.code == 1
    assert not (tmp_path / "other").exists()


def test_show_says_that_nothing_is_verified(logged: Path) -> None:
    ran = cvm_audit("release", "show", logged / "entry.json")
    assert ran.code == 0
    assert ran.out.startswith("nothing here is verified")
    assert f"signature by              {PUBLISHER.key.keyid}" in ran.out


def test_1_a_bundle_that_holds_more_than_files(logged: Path) -> None:
    (logged / "bundle" / "m" / "link").symlink_to("release-entry")
    ran = verify(logged, "--format", "json")
    assert ran.code == 1
    (found,) = [f for f in json.loads(ran.out)["findings"] if f["status"] == "fail"]
    assert (found["check"], found["class"]) == ("bundle.format", "input")
    assert found["got"] == "bundle member 'm/link': something else"


def test_1_a_bundle_with_too_many_files(logged: Path) -> None:
    written(logged / "bundle", {f"n/{number:03}": b"" for number in range(300)})
    ran = verify(logged)
    assert ran.code == 1
    assert "something else" in ran.out


def test_1_a_member_that_is_too_large(logged: Path) -> None:
    with (logged / "bundle" / "m" / "release-entry").open("wb") as file:
        file.truncate(MAX_MEMBER + 1)
    ran = verify(logged)
    assert ran.code == 1
    assert f"a regular file of at most {MAX_MEMBER} bytes" in ran.out


def test_inspecting_a_bundle(logged: Path) -> None:
    ran = cvm_audit("evidence", "inspect", logged / "bundle")
    assert ran.code == 0
    assert ran.out.startswith("nothing here is verified")
    assert "release-proof" in ran.out
    ran = cvm_audit("evidence", "inspect", logged / "entry.proof")
    assert "tlog-proof, index         1" in ran.out


def test_a_bundle_as_one_file(logged: Path) -> None:
    given = ("--report", logged / "entry.proof", "--entry", logged / "entry.json")
    proof = ("--proof", logged / "entry.proof")
    made = [logged / "one.tar", logged / "two.tar"]
    for path in made:
        ran = cvm_audit("evidence", "capture", *given, *proof, "--at", AT, "-o", path)
        assert ran.code == 0, ran.err
    assert made[0].read_bytes() == made[1].read_bytes()
    rules = ("--policy", logged / "policy.toml", "--at", AT)
    ran = cvm_audit("verify", made[0], *rules)
    assert ran.code == 4  # it holds something as a report, which the policy does not ask for
    made[1].write_bytes(made[1].read_bytes()[:-512])
    ran = cvm_audit("verify", made[1], *rules, "--format", "json")
    assert ran.code == 1
    (found,) = [f for f in json.loads(ran.out)["findings"] if f["status"] == "fail"]
    assert (found["check"], found["class"]) == ("bundle.format", "input")
    ran = cvm_audit("evidence", "inspect", made[0])
    assert (ran.code, "release-proof" in ran.out) == (0, True)
    again = cvm_audit("evidence", "capture", *given, *proof, "-o", made[0])
    assert again.code == 2
