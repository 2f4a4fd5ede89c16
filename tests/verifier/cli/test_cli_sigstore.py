from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.test_startup import loaded
from tests.making import NOW, Log, entry, policy
from tests.running import ROOT, Ran, cvm_audit
from tests.synthetic_sigstore import IDENTITY, bundle, encoded, trusted_root
from verifier.release.dsse import parse_envelope

AT = ("--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
ENTRY = entry()
LOG = Log((b"another entry", ENTRY))
NAMED = [{"identity": IDENTITY.identity, "issuer": IDENTITY.issuer}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = policy(LOG, require=("log", "release"), release={"identities": NAMED})
    plain = policy(LOG, require=("log", "release"))
    (tmp_path / "roots").mkdir()
    for name, data in {
        "entry.json": ENTRY,
        "entry.proof": LOG.proof(1),
        "policy.toml": rules,
        "plain.toml": plain,
        "report.bin": bytes(1184),
        "release.sigstore.json": encoded(bundle(parse_envelope(ENTRY).payload)),
        "roots/trusted_root.json": encoded(trusted_root()),
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def release_verify(folder: Path, *more: str | Path, rules: str = "policy.toml") -> Ran:
    files = (folder / "entry.json", "--proof", folder / "entry.proof", "--policy", folder / rules)
    return cvm_audit("release", "verify", *files, *AT, *more)


def identity(folder: Path) -> tuple[str | Path, ...]:
    return ("--sigstore-bundle", folder / "release.sigstore.json", "--trust-root", folder / "roots")


def test_a_release_by_an_identity_is_verified_and_verified_again(folder: Path) -> None:
    ran = release_verify(folder, *identity(folder))
    assert ran.code == 0
    assert ran.last.startswith("VERIFIED; 11 passed; re-verify: ")
    assert "pass  release.identity" in ran.out
    again = shlex.split(ran.last.split("re-verify: ")[1])
    rest = again[again.index("release") :]
    assert cvm_audit(*rest).code == 0


def test_a_bundle_is_captured_and_judged(folder: Path) -> None:
    captured = cvm_audit(
        "evidence", "capture", "--report", folder / "report.bin", "--entry", folder / "entry.json",
        "--proof", folder / "entry.proof", "--sigstore-bundle", folder / "release.sigstore.json",
        "-o", folder / "bundle", *AT,
    )  # fmt: skip
    assert captured.code == 0
    manifest = (folder / "bundle" / "bundle.json").read_text()
    assert '"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"' in manifest
    rules = ("--policy", folder / "policy.toml", "--trust-root", folder / "roots")
    ran = cvm_audit("verify", folder / "bundle", *rules, *AT)
    assert "pass  release.identity" in ran.out
    assert ran.code == 4  # there is a report, and the policy does not ask for one


def test_a_missing_bundle_fails(folder: Path) -> None:
    ran = release_verify(folder, "--trust-root", folder / "roots")
    assert ran.code == 1
    assert "release.identity" in ran.last


def test_garbage_fails(folder: Path) -> None:
    (folder / "release.sigstore.json").write_bytes(b"garbage")
    assert release_verify(folder, *identity(folder)).code == 1


@pytest.mark.parametrize(
    ("arguments", "got"),
    [((), "no folder"), (("--trust-root", "roots"), "no trusted_root.json in roots")],
)
def test_without_a_trusted_root_the_policy_is_unusable(
    folder: Path, arguments: tuple[str, ...], got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "roots" / "trusted_root.json").rename(folder / "elsewhere.json")
    monkeypatch.chdir(folder)
    ran = release_verify(folder, "--sigstore-bundle", folder / "release.sigstore.json", *arguments)
    assert ran.code == 2
    assert got in ran.err
    assert "a folder with trusted_root.json, as the policy names identities" in ran.err


def test_an_unusable_trusted_root_is_no_verdict(folder: Path) -> None:
    (folder / "roots" / "trusted_root.json").write_bytes(b"{}")
    ran = release_verify(folder, *identity(folder))
    assert ran.code == 2
    assert "Sigstore trusted root, version" in ran.err


def test_the_trusted_root_is_not_taken_for_a_simulated_one(folder: Path) -> None:
    (folder / "bundle").mkdir()
    (folder / "bundle" / "bundle.json").write_bytes(b"{}")
    rules = ("--policy", folder / "plain.toml", "--trust-root", folder / "roots")
    ran = cvm_audit("verify", folder / "bundle", *rules, *AT)
    assert ran.code == 1  # the bundle is judged: the folder of roots was usable
    assert "bundle.format" in ran.last


def test_only_a_policy_with_identities_loads_the_library(folder: Path) -> None:
    files = ("entry.json", "--proof", "entry.proof")
    verb = ("-m", "verifier", "release", "verify", *(str(folder / files[0]), "--proof"))
    plain = (*verb, str(folder / "entry.proof"), "--policy", str(folder / "plain.toml"), *AT)
    assert "sigstore" not in loaded(*plain)
    rules = (*verb, str(folder / "entry.proof"), "--policy", str(folder / "policy.toml"), *AT)
    assert "sigstore" in loaded(*rules, *map(str, identity(folder)))


def test_without_the_library_such_a_policy_is_unusable(folder: Path) -> None:
    # A package of that name that is not there: what an environment without the extra says.
    hidden = (
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == 'sigstore':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from verifier.cli import main\n"
        "sys.exit(main())\n"
    )
    files = (folder / "entry.json", "--proof", folder / "entry.proof")
    verb = ("release", "verify", *files, "--policy", folder / "policy.toml", *AT)
    done = subprocess.run(
        [sys.executable, "-c", hidden, *map(str, (*verb, *identity(folder)))],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "sigstore: it is not installed" in done.stderr
    assert "pip install 'cvm-audit[sigstore]'" in done.stderr


def test_a_p256_key_signs_what_is_logged(folder: Path) -> None:
    made = cvm_audit(
        "release", "keygen", "--ecdsa", "--name", "ec.invalid/p", "-o", folder / "ec.key"
    )
    assert made.code == 0
    assert made.out.startswith("ec.invalid/p+")
    (folder / "statement.json").write_bytes(parse_envelope(ENTRY).payload)
    signed = cvm_audit(
        "release", "sign", folder / "statement.json", "--key", folder / "ec.key",
        "-o", folder / "ec.json",
    )  # fmt: skip
    assert signed.code == 0
    raw = (folder / "ec.json").read_bytes()
    log = Log((raw,))
    rules = policy(log, require=("log", "release"), release={"publishers": [made.out.strip()]})
    (folder / "ec.toml").write_bytes(rules)
    (folder / "ec.proof").write_bytes(log.proof(0))
    files = (folder / "ec.json", "--proof", folder / "ec.proof", "--policy", folder / "ec.toml")
    ran = cvm_audit("release", "verify", *files, *AT)
    assert ran.code == 0
    assert "pass  release.signature" in ran.out
