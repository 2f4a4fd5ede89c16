"""The root of a simulated secure processor, read from a file that the auditor names.

Schema ``cvm-audit/snp-root/v1``. Whatever the file says, the root is a simulated one: hardware
roots are facts in the source of this project, and no file can add one.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verifier.errors import ParseError
from verifier.evidence.der import (
    SignedCertificate,
    common_name,
    parse_certificate,
    replace_common_name,
)
from verifier.evidence.tcb import Product
from verifier.roots.snp_root import CaFacts, Platform, SnpRoot, VekKind
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_base64, parse_json

__all__ = ["MAX_ROOT_SIZE", "ROOT_SCHEMA", "parse_simulated_root"]

ROOT_SCHEMA = "cvm-audit/snp-root/v1"
MAX_ROOT_SIZE = 32768
"""Bytes of the largest document that is looked at."""

_WHAT = "SNP root"
_LOUD = "SIMULATED"


def parse_simulated_root(raw: bytes) -> SnpRoot:
    """Read a root document: ``schema``, ``platform``, ``product``, ``kind``, ``ark``, ``signer``.

    ``ark`` and ``signer`` are base64 of the DER of the CA certificates: the first self-signed,
    the second signed by the first, both with RSA-4096 and both with SIMULATED in their common
    names, so that no verdict can quote a name that passes for the vendor's. Raises ParseError,
    and VerificationError for a signature that does not verify.
    """
    if len(raw) > MAX_ROOT_SIZE:
        raise ParseError(_WHAT, expected=f"at most {MAX_ROOT_SIZE} bytes", got=str(len(raw)))
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    document.choice("schema", (ROOT_SCHEMA,))
    document.choice("platform", (str(Platform.SIMULATED),))
    product = Product(document.choice("product", tuple(Product)))
    kind = VekKind(document.choice("kind", tuple(VekKind)))
    ark = _certificate(document, "ark")
    signer = _certificate(document, "signer")
    document.end()
    ark_facts, signer_facts = _facts(ark, "ark"), _facts(signer, "signer")
    _check_chain(ark, ark_facts, ark, "ark")
    _check_chain(ark, ark_facts, signer, "signer")
    return SnpRoot(
        product=product,
        kind=kind,
        platform=Platform.SIMULATED,
        ark=ark_facts,
        signer=signer_facts,
        vek_subject=replace_common_name(signer.subject, f"SEV-{kind}", what=f"{_WHAT}, signer"),
    )


def _certificate(document: JsonObject, member: str) -> SignedCertificate:
    what = f"{_WHAT}, {member}"
    text = document.text(member, pattern=r"[A-Za-z0-9+/]+={0,2}")
    return parse_certificate(parse_base64(text, what=what), what=what)


def _facts(certificate: SignedCertificate, member: str) -> CaFacts:
    what = f"{_WHAT}, {member}"
    name = common_name(certificate.subject, what=what)
    if _LOUD not in name:
        raise ParseError(what, expected="a common name that says SIMULATED", got=excerpt(name))
    numbers = _public_key(certificate.key, what).public_numbers()
    return CaFacts(
        common_name=name,
        subject=certificate.subject,
        serial=certificate.serial,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        sha256=hashlib.sha256(certificate.raw).digest(),
        spki_sha256=hashlib.sha256(certificate.key).digest(),
        modulus=numbers.n,
        exponent=numbers.e,
    )


def _public_key(der: bytes, what: str) -> RSAPublicKey:
    expected = "an RSA-4096 key with exponent 65537"
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise ParseError(what, expected=expected, got="no key that can be read") from None
    if not isinstance(key, RSAPublicKey) or key.key_size != 4096:
        raise ParseError(what, expected=expected, got="another kind of key")
    if key.public_numbers().e != 65537:
        raise ParseError(what, expected=expected, got=f"exponent {key.public_numbers().e}")
    return key


def _check_chain(
    ark: SignedCertificate, facts: CaFacts, certificate: SignedCertificate, member: str
) -> None:
    what = f"{_WHAT}, {member}"
    if certificate.issuer != ark.subject:
        got = excerpt(common_name(certificate.issuer, what=what))
        raise ParseError(f"{what}, issuer", expected=facts.common_name, got=got)
    facts.verify_signature(certificate.signature, certificate.tbs, what=what)
