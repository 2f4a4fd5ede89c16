from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.fixture_cases.vendor import rules, vendor
from tests.key_documents import key_document, key_entries, keys_section
from tests.making import NOW, Log, entry, statement
from tests.running import Ran, cvm_audit

AT = ("--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
MEASUREMENT = b"\x11" * 48
ENTRY = entry(statement(MEASUREMENT))
LOG = Log((ENTRY, *key_entries()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    require = ("evidence", "keys", "log", "release")
    text = rules(require=require, report_data=["22" * 64]) + keys_section()
    (tmp_path / "roots").mkdir()
    for name, content in {
        "report.bin": vendor().report(report_data=b"\x22" * 64, measurement=MEASUREMENT),
        "vek.der": vendor().vek(),
        "entry.json": ENTRY,
        "entry.proof": LOG.proof(0),
        "keys.bin": key_document(LOG, 1, 2),
        "policy.toml": text,
        "roots/root.json": vendor().roots["root.json"],
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def judged(folder: Path, *keys: object) -> Ran:
    captured = cvm_audit(
        *("evidence", "capture", "--report", folder / "report.bin", "--vek", folder / "vek.der"),
        *("--entry", folder / "entry.json", "--proof", folder / "entry.proof", *keys),
        *("-o", folder / "bundle", *AT),
    )
    assert captured.code == 0, captured.err
    named = ("--policy", folder / "policy.toml", "--trust-root", folder / "roots")
    return cvm_audit("verify", folder / "bundle", *named, *AT)


@pytest.mark.usefixtures("offline")
def test_a_bundle_with_keys_is_captured_and_verified(folder: Path) -> None:
    ran = judged(folder, "--key-document", folder / "keys.bin")
    assert (ran.code, ran.last.startswith("VERIFIED")) == (0, True), ran.out + ran.err
    for check in ("keys.format", "keys.signature", "keys.validity", "keys.complete"):
        assert f"pass  {check}" in ran.out
    again = shlex.split(ran.last.split("re-verify: ")[1])
    assert cvm_audit(*again[again.index("verify") :]).code == 0


@pytest.mark.usefixtures("offline")
def test_a_bundle_without_its_keys_fails(folder: Path) -> None:
    ran = judged(folder)
    assert (ran.code, "FAILED" in ran.last, "keys.format" in ran.last) == (1, True, True)
