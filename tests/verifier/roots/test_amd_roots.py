from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier.tlog.rejection import rejects
from verifier.errors import VerificationError
from verifier.evidence.der import parse_certificate
from verifier.roots.amd import AMD_CERTIFICATES, AMD_ROOTS
from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import CaFacts, Platform, Product, VekKind

BY_NAME = {ca.common_name: ca for ca in AMD_CERTIFICATES}
FILES = {
    f"{prefix}_{product.lower()}.pem": name.format(product)
    for product in Product
    for prefix, name in (("ark", "ARK-{}"), ("ask", "SEV-{}"), ("asvk", "SEV-VLEK-{}"))
}
# Second source, typed from the published list: name, serial, SHA-256 of certificate and key.
TABLE = """
ARK-Milan 0x10000 69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd
9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9
SEV-Milan 0x10001 67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b
42491669ccb851d627ea9846cd24eccbeb7de7c2a62740120fff88001d38ebb6
SEV-VLEK-Milan 0x10101 c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5
66450a123ea5876206df67f2514a4fea224c0f63b18313423078b0edc4535e33
ARK-Genoa 0x20000 4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1
429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831
SEV-Genoa 0x20002 5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521
0324d55bcd48ba877a8fd87c0e1b4934dec8448e3807a24384a34dc6a6c9ebb8
SEV-VLEK-Genoa 0x20101 197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372
7d1633252ebbadaa75f96e9b4e6f7d43a90ceb3f843937482630f8da2459264e
ARK-Turin 0x30000 1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a
4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08
SEV-Turin 0x30001 5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185
0000ead352025f208bf55297c4192c34cd1b878002107366d8f2065a9ae7d3a9
SEV-VLEK-Turin 0x30101 104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c
bfc441408b2f806c5dbf180bd8920e6e60dd404d82141780d85dbf962954d386
"""


def spki(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_there_are_nine_certificates_and_six_roots() -> None:
    assert sorted(BY_NAME) == sorted(FILES.values())
    assert len(AMD_CERTIFICATES) == 9
    assert [(r.product, r.kind) for r in AMD_ROOTS] == [(p, k) for p in Product for k in VekKind]


def test_the_pinned_digests_are_the_published_ones() -> None:
    rows = re.findall(r"(\S+) (0x\S+) (\w{64})\n(\w{64})", TABLE)
    assert {row[0] for row in rows} == set(BY_NAME)
    for name, serial, certificate, key in rows:
        ca = BY_NAME[name]
        assert (f"{ca.serial:#x}", ca.sha256.hex(), ca.spki_sha256.hex()) == (
            serial,
            certificate,
            key,
        )


@pytest.mark.parametrize("name", BY_NAME)
def test_the_pinned_modulus_has_the_pinned_digest(name: str) -> None:
    ca = BY_NAME[name]
    assert (ca.public_key().key_size, ca.exponent) == (4096, 65537)
    assert hashlib.sha256(spki(ca.public_key())).digest() == ca.spki_sha256


@pytest.mark.parametrize("file", FILES)
def test_a_pinned_certificate_is_the_vendors(vectors: Path, file: str) -> None:
    certificate = x509.load_pem_x509_certificate((vectors / "snp/roots" / file).read_bytes())
    der = certificate.public_bytes(Encoding.DER)
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    assert BY_NAME[FILES[file]] == CaFacts(
        common_name=FILES[file],
        subject=certificate.subject.public_bytes(),
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(der).digest(),
        spki_sha256=hashlib.sha256(spki(key)).digest(),
        modulus=key.public_numbers().n,
        exponent=key.public_numbers().e,
    )


@pytest.mark.parametrize("file", FILES)
def test_the_pinned_ark_signed_the_certificate(vectors: Path, file: str) -> None:
    pem = (vectors / "snp/roots" / file).read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    certificate = parse_certificate(der, what=file)
    product = FILES[file].rpartition("-")[2]
    ark = BY_NAME[f"ARK-{product}"]
    assert certificate.issuer == ark.subject
    ark.verify_signature(certificate.signature, certificate.tbs, what=file)
    signer = BY_NAME[f"SEV-{product}"]
    with rejects(VerificationError, file, expected=f"by SEV-{product}", got="not one"):
        signer.verify_signature(certificate.signature, certificate.tbs, what=file)
    with rejects(VerificationError, file, expected=f"by ARK-{product}", got="not one"):
        ark.verify_signature(certificate.signature, certificate.tbs + b"\0", what=file)


def test_roots_put_the_right_keys_together() -> None:
    for root in AMD_ROOTS:
        line = "SEV" if root.kind is VekKind.VCEK else "SEV-VLEK"
        assert root.platform is Platform.HARDWARE
        assert root.ark is BY_NAME[f"ARK-{root.product}"]
        assert root.signer is BY_NAME[f"{line}-{root.product}"]
        assert root.vek_subject == amd_name(f"SEV-{root.kind}")


def test_a_public_key_is_made_once() -> None:
    ca = AMD_CERTIFICATES[0]
    assert ca.public_key() is ca.public_key()
    assert replace(ca, modulus=ca.modulus - 2).public_key() is not ca.public_key()
