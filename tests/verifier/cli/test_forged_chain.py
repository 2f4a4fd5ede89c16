"""A chain that is consistent in itself, with AMD's exact names, offered with the evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.making import NOW
from tests.running import Ran, cvm_audit
from tests.synthetic_amd import synthetic_amd
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.amd import AMD_ROOTS

AT = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"


def verify_forged(folder: Path, product: Product, kind: VekKind, *, offer: bool) -> Ran:
    forged = synthetic_amd(product, kind)
    files = {
        "report.bin": forged.report(),
        "vek.der": forged.vek(),
        "ark.der": forged.vendor.ark.certificate,
        "signer.der": forged.vendor.signer.certificate,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    offered = ("--ca", folder / "ark.der", "--ca", folder / "signer.der") if offer else ()
    return cvm_audit(
        "evidence", "verify", "--report", folder / "report.bin", "--vek", folder / "vek.der",
        *offered, "--at", AT, "--offline", "--format", "json",
    )  # fmt: skip


@pytest.mark.parametrize("kind", list(VekKind))
@pytest.mark.parametrize("product", list(Product))
def test_a_forged_chain_is_refused_by_the_name_of_the_root(
    product: Product, kind: VekKind, tmp_path: Path
) -> None:
    ran = verify_forged(tmp_path, product, kind, offer=True)
    assert ran.code == 1
    findings = {f["check"]: f for f in json.loads(ran.out)["findings"]}
    failed = {name for name, f in findings.items() if f["status"] == "fail"}
    assert failed == {"snp.chain.root", "snp.vek.signature"}
    root = next(r for r in AMD_ROOTS if (r.product, r.kind) == (product, kind))
    found = findings["snp.chain.root"]
    assert f"ARK-{product} with SHA-256 {root.ark.sha256.hex()}" in found["expected"]
    assert found["got"].startswith("a certificate with SHA-256 ")
    assert root.signer.common_name in findings["snp.vek.signature"]["expected"]
    assert findings["snp.report.signature"]["status"] == "skip"


def test_leaving_the_forged_authorities_out_does_not_help(tmp_path: Path) -> None:
    ran = verify_forged(tmp_path, Product.MILAN, VekKind.VCEK, offer=False)
    assert ran.code == 1
    failed = [f["check"] for f in json.loads(ran.out)["findings"] if f["status"] == "fail"]
    assert failed == ["snp.vek.signature"]
