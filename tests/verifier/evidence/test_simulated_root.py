from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.platform.der_writer import name
from pipeline.platform.simulated_certificate import (
    CertificateFields,
    ca_extensions,
    make_certificate,
)
from pipeline.platform.simulated_vendor import (
    SIMULATED_ORGANIZATION,
    VendorNames,
    make_vendor,
    root_document,
    simulated_names,
)
from tests.synthetic_amd import NOW, START, ca_keys, chip_key
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, VerificationError
from verifier.evidence.simulated_root import MAX_ROOT_SIZE, parse_simulated_root
from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import Platform, Product, VekKind

NAMES = simulated_names(Product.MILAN, VekKind.VCEK)


def document(**changes: Any) -> bytes:
    vendor = make_vendor(Product.MILAN, VekKind.VCEK, names=NAMES, keys=ca_keys(), start=START)
    members = json.loads(root_document(vendor)) | changes
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode()


def ca(
    *,
    issuer: bytes = NAMES.ark,
    subject: bytes = NAMES.ark,
    key: RSAPublicKey | EllipticCurvePublicKey | bytes | None = None,
    signer: int = 0,
) -> str:
    spki = key if key is not None else ca_keys()[0].public_key()
    if not isinstance(spki, bytes):
        spki = spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fields = CertificateFields(
        serial=1,
        issuer=issuer,
        subject=subject,
        not_before=START,
        not_after=NOW,
        key=spki,
        extensions=ca_extensions(),
    )
    return base64.b64encode(make_certificate(fields, signer=ca_keys()[signer])).decode()


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("kind", list(VekKind))
def test_a_root_document_is_a_simulated_root(product: Product, kind: VekKind) -> None:
    names = simulated_names(product, kind)
    vendor = make_vendor(product, kind, names=names, keys=ca_keys(), start=START)
    root = parse_simulated_root(root_document(vendor))
    line = "SEV" if kind is VekKind.VCEK else "SEV-VLEK"
    assert (root.product, root.kind, root.platform) == (product, kind, Platform.SIMULATED)
    assert root.ark.common_name == f"ARK-{product}-SIMULATED"
    assert root.signer.common_name == f"{line}-{product}-SIMULATED"
    assert root.ark.sha256 == hashlib.sha256(vendor.ark.certificate).digest()
    assert root.signer.modulus == ca_keys()[1].public_key().public_numbers().n
    assert root.signer.subject == names.signer
    assert root.vek_subject == names.vek
    assert (root.ark.not_before, root.ark.serial) == (START, 0x51000)


@pytest.mark.parametrize(
    ("changes", "what", "expected"),
    [
        ({"schema": "cvm-audit/snp-root/v2"}, "SNP root.schema", "cvm-audit/snp-root/v1"),
        ({"platform": "hardware"}, "SNP root.platform", "^simulated$"),
        ({"platform": ...}, "SNP root.platform", "the member"),
        ({"product": "Rome"}, "SNP root.product", "Milan or Genoa or Turin"),
        ({"kind": "VXEK"}, "SNP root.kind", "VCEK or VLEK"),
        ({"note": "x"}, "SNP root", "no unknown member"),
        ({"ark": 1}, "SNP root.ark", "a string"),
        ({"ark": "AAA"}, "SNP root, ark", "base64"),
        ({"signer": "MAA="}, "SNP root, signer", "DER"),
    ],
)
def test_a_wrong_document_is_refused(changes: dict[str, Any], what: str, expected: str) -> None:
    with rejects(ParseError, what, expected=expected, got=""):
        parse_simulated_root(document(**changes))


def test_a_large_document_is_not_looked_at() -> None:
    raw = b" " * (MAX_ROOT_SIZE + 1)
    with rejects(ParseError, "SNP root", expected="at most 32768 bytes", got="^32769$"):
        parse_simulated_root(raw)


@pytest.mark.parametrize("quiet", ["ark", "signer"])
def test_no_file_can_imitate_the_vendor(quiet: str) -> None:
    amd = VendorNames(amd_name("ARK-Milan"), amd_name("SEV-Milan"), amd_name("SEV-VCEK"))
    names = replace(NAMES, **{quiet: getattr(amd, quiet)})
    vendor = make_vendor(Product.MILAN, VekKind.VCEK, names=names, keys=ca_keys(), start=START)
    with rejects(ParseError, f"SNP root, {quiet}", expected="says SIMULATED", got="Milan"):
        parse_simulated_root(root_document(vendor))


def test_the_ark_signed_itself() -> None:
    with rejects(VerificationError, "SNP root, ark", expected="by ARK-Milan-SIMULATED", got="not"):
        parse_simulated_root(document(ark=ca(signer=1)))


def test_the_ark_signed_the_signer() -> None:
    signer = ca(subject=NAMES.signer, key=ca_keys()[1].public_key(), signer=1)
    what = "SNP root, signer"
    with rejects(VerificationError, what, expected="by ARK-Milan-SIMULATED", got="not one"):
        parse_simulated_root(document(signer=signer))


def test_the_signer_names_the_ark() -> None:
    other = name(SIMULATED_ORGANIZATION, "ARK-Other-SIMULATED")
    signer = ca(issuer=other, subject=NAMES.signer)
    what = "SNP root, signer, issuer"
    with rejects(ParseError, what, expected="^ARK-Milan-SIMULATED$", got="ARK-Other-SIMULATED"):
        parse_simulated_root(document(signer=signer))
    with rejects(ParseError, "SNP root, ark, issuer", expected="^ARK-Milan", got="ARK-Other"):
        parse_simulated_root(document(ark=ca(issuer=other)))


def test_a_ca_key_is_rsa_4096_with_the_usual_exponent() -> None:
    small = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    odd = generate_private_key(public_exponent=3, key_size=4096).public_key()
    what, expected = "SNP root, ark", "RSA-4096 key with exponent 65537"
    for key, got in (
        (small, "another kind"),
        (chip_key().public_key(), "another kind"),
        (odd, "exponent 3"),
        (b"\x30\x00", "no key that can be read"),
    ):
        with rejects(ParseError, what, expected=expected, got=got):
            parse_simulated_root(document(ark=ca(key=key)))
