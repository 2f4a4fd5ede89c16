"""Types of the pinned AMD SEV-SNP keys: one CA key, and one root that a VEK chains to.

A root here is a value of the project, not of the evidence: no function takes an ARK or an ASK
from whoever is being judged. A verifier that trusts the chain which came with the evidence
trusts any chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA384

from verifier.errors import VerificationError

__all__ = ["CaFacts", "Platform", "Product", "SnpRoot", "VekKind"]

_SHA384 = SHA384()
_PSS = PSS(mgf=MGF1(_SHA384), salt_length=48)


class Product(StrEnum):
    """AMD's product line, as the KDS spells it; Bergamo and Siena are Genoa."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"


class VekKind(StrEnum):
    """Kind of endorsement key that signs reports: of one chip, or loaded by a cloud provider."""

    VCEK = "VCEK"
    VLEK = "VLEK"


class Platform(StrEnum):
    """Whether a root stands for AMD's hardware or for a simulated secure processor."""

    HARDWARE = "hardware"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaFacts:
    """What is pinned of one CA certificate.

    ``subject`` is the DER of the whole Name, ``sha256`` the digest of the certificate's DER,
    ``spki_sha256`` that of its SubjectPublicKeyInfo, both 32 bytes. The validity bounds are
    aware, UTC and inclusive.
    """

    common_name: str
    subject: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    sha256: bytes
    spki_sha256: bytes
    modulus: int
    exponent: int = 65537

    def public_key(self) -> RSAPublicKey:
        """The key object, built at first use and kept (building it costs more than using it)."""
        return _public_key(self.modulus, self.exponent)

    def verify_signature(self, signature: bytes, signed: bytes, *, what: str) -> None:
        """Verify RSASSA-PSS with SHA-384, MGF1-SHA-384 and a 48-byte salt over ``signed``.

        These are the only parameters that AMD uses (KDS specification, publication 57230).
        Raises VerificationError.
        """
        try:
            self.public_key().verify(signature, signed, _PSS, _SHA384)
        except InvalidSignature:
            expected = f"an RSASSA-PSS signature by {self.common_name}"
            raise VerificationError(what, expected=expected, got="not one") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpRoot:
    """The two pinned CA keys above one kind of VEK of one product.

    ``signer`` is the ASK (VCEK) or ASVK (VLEK), whose signature under ``ark`` was checked when
    the root was made. ``vek_subject`` is the DER of the Name that every VEK below it carries.
    """

    product: Product
    kind: VekKind
    platform: Platform
    ark: CaFacts
    signer: CaFacts
    vek_subject: bytes


@lru_cache(maxsize=64)
def _public_key(modulus: int, exponent: int) -> RSAPublicKey:
    return RSAPublicNumbers(exponent, modulus).public_key()
