"""Collecting what belongs to a report: files, the host's table, AMD's service."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.platform.simulated_vendor import root_document
from tests.making import FLOOR, policy
from tests.running import Ran, cvm_audit
from tests.synthetic_amd import START, simulated_amd, synthetic_amd
from tests.verifier.fetch.fake_kds import FakeKds, fake_kds
from verifier.evidence.bundle import MANIFEST
from verifier.evidence.guid import guid
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind

AMD = simulated_amd()
VCEK, REPORT = AMD.vek(), AMD.report()
CRL = AMD.crl(this_update=START, next_update=datetime(2090, 1, 1, tzinfo=UTC))
ARK, ASK = AMD.vendor.ark.certificate, AMD.vendor.signer.certificate
AT = "2026-11-21T12:00:00Z"
GUIDS = {
    "VCEK": "63da758d-e664-4564-adc5-f4b93be8accd",
    "VLEK": "a8074bc2-a25a-483e-aae6-39c045a0b8a1",
    "ASK": "4ab7b379-bbac-4fe4-a02f-05aef327c782",
    "ARK": "c0b406a4-a803-4952-9743-3fb6014cd0ae",
    "other": "ffffffff-0000-1111-2222-333333333333",
}


def table(**contents: bytes) -> bytes:
    place, rows = 24 * (len(contents) + 1), b""
    for name, content in contents.items():
        rows += guid(GUIDS[name]) + struct.pack("<II", place, len(content))
        place += len(content)
    return rows + bytes(24) + b"".join(contents.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "roots").mkdir()
    files = {
        "report.bin": REPORT,
        "vek.der": VCEK,
        "crl.der": CRL,
        "roots/root.json": root_document(AMD.vendor),
        "policy.toml": policy(
            require=("evidence",),
            crl="fresh",
            measurement=["11" * 48],
            report_data=["22" * 64],
            floors={"Milan": FLOOR},
        ),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def verify(folder: Path, *arguments: object) -> Ran:
    return cvm_audit(
        "evidence", "verify", "--report", folder / "report.bin", *arguments,
        "--policy", folder / "policy.toml", "--trust-root", folder / "roots", "--at", AT,
    )  # fmt: skip


def capture(folder: Path, *arguments: object, report: str = "report.bin") -> Ran:
    return cvm_audit(
        "evidence", "capture", "--report", folder / report, *arguments,
        "--at", AT, "-o", folder / "bundle",
    )  # fmt: skip


def members(folder: Path) -> dict[str, bytes]:
    """Roles of the captured bundle; the last one of a role that repeats."""
    document = json.loads((folder / "bundle" / MANIFEST).read_bytes())
    return {
        member["role"]: (folder / "bundle" / member["path"]).read_bytes()
        for member in document["members"]
    }


@pytest.mark.usefixtures("offline")
def test_a_fresh_crl_completes_the_evidence(folder: Path) -> None:
    ran = verify(folder, "--vek", folder / "vek.der", "--crl", folder / "crl.der")
    assert ran.code == 0, ran.out
    assert "pass  snp.chain.revocation" in ran.out
    assert f"--vek {folder}/vek.der --crl {folder}/crl.der" in ran.last


@pytest.mark.usefixtures("offline")
def test_without_a_crl_revocation_is_unknown(folder: Path) -> None:
    ran = verify(folder, "--vek", folder / "vek.der")
    assert ran.code == 3
    assert "error snp.chain.revocation" in ran.out
    assert "got:      revocation unknown: there is no CRL" in ran.out


def test_a_stale_crl_fails_where_a_fresh_one_is_asked_for(folder: Path) -> None:
    (folder / "crl.der").write_bytes(AMD.crl(this_update=START, next_update=START))
    ran = verify(folder, "--vek", folder / "vek.der", "--crl", folder / "crl.der")
    assert ran.code == 1
    assert "fail  snp.crl.freshness" in ran.out
    assert "got:      stale: 324 days old at 2026-11-21T12:00:00Z, renewal due 324 days" in ran.out


def test_a_revoked_signer_fails(folder: Path) -> None:
    (folder / "crl.der").write_bytes(AMD.crl(revoked=((AMD.root.signer.serial, START),)))
    ran = verify(folder, "--vek", folder / "vek.der", "--crl", folder / "crl.der")
    assert ran.code == 1
    assert "fail  snp.chain.revocation" in ran.out
    assert "SEV-Milan-SIMULATED (serial 0x51001) is revoked since 2026-01-01T00:00:00Z" in ran.out


def test_without_a_certificate_nothing_is_determined(folder: Path) -> None:
    ran = verify(folder, "--crl", folder / "crl.der")
    assert ran.code == 3
    assert "error snp.vek.format" in ran.out


@pytest.mark.parametrize("apart", [False, True])
def test_a_table_brings_the_certificates(folder: Path, apart: bool) -> None:
    content = table(VCEK=VCEK, ASK=ASK, ARK=ARK, other=b"?") + bytes(100)
    if apart:
        (folder / "table.bin").write_bytes(content)
        named: tuple[object, ...] = ("--certificates", folder / "table.bin")
    else:
        (folder / "report.bin").write_bytes(REPORT + content)
        named = ()
    ran = verify(folder, *named, "--crl", folder / "crl.der")
    assert ran.code == 0, ran.out
    assert f"cvm-audit: certificate table: VCEK, ASK, ARK, {GUIDS['other']}\n" in ran.err
    assert "2 offered, all pinned" in ran.out
    assert capture(folder, *named).code == 0
    found = members(folder)
    assert (found["snp-report"], found["snp-vek"]) == (REPORT, VCEK)
    assert found["snp-ca"] in {ASK, ARK}


@pytest.mark.parametrize("ca", [b"malformed", synthetic_amd().vendor.signer.certificate])
def test_a_ca_of_the_table_that_is_not_the_vendors_fails_and_is_never_used(
    folder: Path, ca: bytes
) -> None:
    (folder / "report.bin").write_bytes(REPORT + table(VCEK=VCEK, ASK=ca))
    ran = verify(folder, "--crl", folder / "crl.der")
    assert ran.code == 1
    assert "fail  snp.chain.root" in ran.out
    assert "hint:     the chain that came with the evidence is not the vendor's" in ran.out
    assert "pass  snp.vek.signature" in ran.out


def test_a_named_certificate_goes_before_that_of_the_table(folder: Path) -> None:
    (folder / "report.bin").write_bytes(REPORT + table(VCEK=b"malformed"))
    assert capture(folder, "--vek", folder / "vek.der").code == 0
    assert members(folder)["snp-vek"] == VCEK


@pytest.mark.parametrize("kind", list(VekKind))
def test_of_two_veks_the_one_that_signed_is_taken(folder: Path, kind: VekKind) -> None:
    report = synthetic_amd(Product.MILAN, kind).report()
    (folder / "report.bin").write_bytes(report + table(VCEK=b"a vcek", VLEK=b"a vlek"))
    assert capture(folder).code == 0
    assert members(folder)["snp-vek"] == f"a {kind.lower()}".encode()


def test_two_tables_are_one_too_many(folder: Path) -> None:
    (folder / "report.bin").write_bytes(REPORT + table(VCEK=VCEK))
    (folder / "table.bin").write_bytes(table(VCEK=VCEK))
    ran = capture(folder, "--certificates", folder / "table.bin")
    assert ran.code == 2
    assert "--certificates names a table, and one follows the report already" in ran.err


def test_what_follows_a_report_and_is_no_table(folder: Path) -> None:
    (folder / "report.bin").write_bytes(REPORT + b"more")
    for ran in (capture(folder), verify(folder)):
        assert ran.code == 1
        assert (
            ran.err
            == "cvm-audit: certificate table: none (expected an entry of zeros at the end)\n"
        )
    assert not (folder / "bundle").exists()


def test_inspect_shows_tables_and_crls(folder: Path) -> None:
    content = table(VLEK=b"vlek", other=b"?")
    (folder / "both.bin").write_bytes(REPORT + content)
    (folder / "table.bin").write_bytes(content)
    both = cvm_audit("evidence", "inspect", folder / "both.bin")
    alone = cvm_audit("evidence", "inspect", folder / "table.bin")
    assert both.code == alone.code == 0
    assert "SNP report version" in both.out
    for ran in (both, alone):
        assert "VLEK, 4 bytes, " in ran.out
        assert f"{GUIDS['other']}, 1 bytes, " in ran.out
    (folder / "crl.der").write_bytes(AMD.crl(revoked=((5, START),)))
    crl = cvm_audit("evidence", "inspect", folder / "crl.der")
    assert crl.code == 0
    for text in ("ARK-Milan-SIMULATED", "2026-10-22T12:00:00Z", "serial 0x5, 2026-01-01T00:00:00Z"):
        assert text in crl.out


@pytest.fixture
def kds() -> Iterator[FakeKds]:
    with fake_kds() as server:
        yield server


VCEK_PATH = f"/vcek/v1/Milan/{AMD.hw_id.hex()}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
CRL_PATH = "/vcek/v1/Milan/crl"


def fetch(folder: Path, kds: FakeKds, *arguments: object, report: str = "report.bin") -> Ran:
    cache = ("--kds", kds.url + "/", "--cache", folder / "cache")
    return capture(folder, "--fetch", *cache, *arguments, report=report)


def test_what_is_missing_is_fetched_once(folder: Path, kds: FakeKds) -> None:
    kds.answer(VCEK_PATH, VCEK)
    kds.answer(CRL_PATH, CRL)
    ran = fetch(folder, kds)
    assert ran.code == 0, ran.err
    assert (members(folder)["snp-vek"], members(folder)["snp-crl"]) == (VCEK, CRL)
    assert f"cvm-audit: CRL of Milan: {len(CRL)} bytes\n" in ran.err
    assert kds.asked == [VCEK_PATH, CRL_PATH]
    first = (folder / "bundle" / MANIFEST).read_bytes()
    (folder / "bundle").rename(folder / "first")
    assert fetch(folder, kds).code == 0
    assert kds.asked == [VCEK_PATH, CRL_PATH]
    assert (folder / "bundle" / MANIFEST).read_bytes() == first


def test_what_is_there_is_not_fetched(folder: Path, kds: FakeKds) -> None:
    ran = fetch(folder, kds, "--vek", folder / "vek.der", "--crl", folder / "crl.der")
    assert ran.code == 0
    assert kds.asked == []


@pytest.mark.usefixtures("offline")
def test_without_fetch_no_socket_is_opened(folder: Path) -> None:
    assert capture(folder).code == 0
    assert set(members(folder)) == {"snp-report"}


def test_waits_are_said_on_stderr(folder: Path, kds: FakeKds) -> None:
    kds.answer(VCEK_PATH, b"", status=429, headers={"Retry-After": "1"})
    kds.answer(VCEK_PATH, VCEK)
    kds.answer(CRL_PATH, CRL)
    ran = fetch(folder, kds)
    assert ran.code == 0
    assert f"cvm-audit: {kds.url}{VCEK_PATH}: busy, waiting 1 s (1 of 6)\n" in ran.err
    assert ran.out == ""


def test_what_cannot_be_fetched_leaves_no_bundle(folder: Path, kds: FakeKds) -> None:
    ran = fetch(folder, kds)
    assert ran.code == 3
    expected = "a VCEK of Milan for this CHIP_ID and REPORTED_TCB"
    assert ran.err == f"cvm-audit: {kds.url}: none (expected {expected})\n"
    kds.answer(VCEK_PATH, VCEK)
    assert fetch(folder, kds).code == 3
    assert not (folder / "bundle").exists()


def test_the_auditor_may_say_the_product_of_an_old_report(folder: Path, kds: FakeKds) -> None:
    (folder / "old.bin").write_bytes(AMD.report(version=2))
    assert fetch(folder, kds, "--product", "Genoa", report="old.bin").code == 3
    assert kds.asked == [VCEK_PATH.replace("Milan", "Genoa")]
    assert fetch(folder, kds, report="old.bin").code == 3
    assert kds.asked[1:] == [VCEK_PATH, VCEK_PATH.replace("Milan", "Genoa")]


def test_a_vlek_cannot_be_fetched(folder: Path, kds: FakeKds) -> None:
    (folder / "vlek.bin").write_bytes(synthetic_amd(Product.MILAN, VekKind.VLEK).report())
    ran = fetch(folder, kds, report="vlek.bin")
    assert ran.code == 3
    assert "hint: a VLEK is given to cloud providers only" in ran.err


@pytest.mark.parametrize("base", ["", "relative", None])
def test_the_cache_lies_where_xdg_says(
    folder: Path, kds: FakeKds, monkeypatch: pytest.MonkeyPatch, base: str | None
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "xdg") if base is None else base)
    kds.answer(VCEK_PATH, VCEK)
    kds.answer(CRL_PATH, CRL)
    assert capture(folder, "--fetch", "--kds", kds.url).code == 0
    place = "xdg" if base is None else ".cache"
    assert (folder / place / "cvm-audit" / "kds" / "vcek" / "Milan").is_dir()


@pytest.mark.parametrize(
    ("at", "freshness"),
    [("2026-01-01T00:00:00Z", "pass"), ("2026-11-21T12:00:00Z", "fail")],
)
def test_a_genuine_crl_clears_a_genuine_chain_while_it_is_current(
    folder: Path, vectors: Path, at: str, freshness: str
) -> None:
    (folder / "policy.toml").write_bytes(
        policy(require=("evidence",), platform="hardware", crl="fresh", measurement=["11" * 48])
    )
    snp, stem = vectors / "snp", "milan-v3-vcek-trustee-05b743"
    ran = cvm_audit(
        "evidence", "verify", "--report", snp / "reports" / f"{stem}.bin",
        "--vek", snp / "certs" / f"{stem}.vcek.der", "--crl", snp / "crl" / "milan.crl",
        "--policy", folder / "policy.toml", "--at", at, "--json",
    )  # fmt: skip
    statuses = {each["check"]: each["status"] for each in json.loads(ran.out)["findings"]}
    assert statuses["snp.report.signature"] == statuses["snp.crl.signature"] == "pass"
    assert statuses["snp.chain.revocation"] == "pass"
    assert statuses["snp.crl.freshness"] == freshness
