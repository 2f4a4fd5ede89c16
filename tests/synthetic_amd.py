"""Synthetic AMD: whole chains with AMD's exact names, identifiers and encodings, and our keys.

Genuine evidence can only show what passes. To see every check after the signature fail, the
signature has to be right, so the tests sign wrong things themselves and trust the synthetic root
on purpose.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pipeline.platform.simulated_certificate import RawExtension, vek_extensions
from pipeline.platform.simulated_crl import CrlFields, crl_number, make_crl
from pipeline.platform.simulated_report import ReportFields, encode_signed_part, sign_report
from pipeline.platform.simulated_vendor import (
    Authority,
    Vendor,
    VendorNames,
    generate_ca_key,
    issue_vek,
    make_vendor,
    root_document,
    simulated_names,
)
from verifier.evidence.der import parse_certificate
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import CaFacts, Platform, SnpRoot

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TCBS = {
    Product.MILAN: Tcb(None, 4, 0, 24, 219),
    Product.GENOA: Tcb(None, 10, 0, 27, 88),
    Product.TURIN: Tcb(1, 1, 1, 4, 81),
}
AMD_ARC = (1, 3, 6, 1, 4, 1, 3704, 1)
CSP_ID = b"CN=synthetic.invalid"

Edit = Callable[[tuple[RawExtension, ...]], tuple[RawExtension, ...]]


@functools.cache
def ca_keys() -> tuple[RSAPrivateKey, RSAPrivateKey]:
    """One pair of CA keys a session: they take a second to make."""
    return generate_ca_key(), generate_ca_key()


@functools.cache
def chip_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP384R1())


@dataclass(frozen=True)
class SyntheticAmd:
    """One vendor, its root, and a chip."""

    vendor: Vendor
    root: SnpRoot

    @property
    def tcb(self) -> Tcb:
        return TCBS[self.vendor.product]

    @property
    def hw_id(self) -> bytes:
        size = 8 if self.vendor.product is Product.TURIN else 64
        return bytes(range(1, size + 1))

    def vek(
        self,
        *,
        edit: Edit = lambda extensions: extensions,
        start: datetime = START,
        key: EllipticCurvePrivateKey | None = None,
        **changes: Any,
    ) -> bytes:
        """A VEK certificate; ``changes`` are of ``vek_extensions``, ``edit`` sees the result."""
        kind, product = self.vendor.kind, self.vendor.product
        fields: dict[str, Any] = {
            "product_name": "Milan-B0" if (kind, product) == ("VCEK", "Milan") else str(product),
            "tcb": self.tcb,
            "identity": self.hw_id if kind is VekKind.VCEK else CSP_ID,
        } | changes
        return issue_vek(
            self.vendor,
            public_key=(key or chip_key()).public_key(),
            extensions=edit(vek_extensions(kind, product, **fields)),
            start=start,
        )

    def fields(self, **changes: Any) -> ReportFields:
        """What the chip says unless told otherwise; it agrees with ``vek()``."""
        by_chip = self.vendor.kind is VekKind.VCEK
        fields = ReportFields(
            product=self.vendor.product,
            measurement=b"\x11" * 48,
            report_data=b"\x22" * 64,
            tcb=self.tcb,
            chip_id=self.hw_id if by_chip else bytes(64),
            key_info=0 if by_chip else 1 << 2,
        )
        return replace(fields, **changes)

    def report(self, **changes: Any) -> bytes:
        """A signed report."""
        return sign_report(encode_signed_part(self.fields(**changes)), key=chip_key())

    def crl(self, *, key: RSAPrivateKey | None = None, **changes: Any) -> bytes:
        """The ARK's revocation list, current at NOW and empty; ``changes`` are of CrlFields."""
        fields = CrlFields(
            issuer=self.vendor.ark.name,
            this_update=NOW - timedelta(days=30),
            next_update=NOW + timedelta(days=335),
            revoked=(),
            extensions=(crl_number(7),),
        )
        return make_crl(replace(fields, **changes), signer=key or self.vendor.ark.key)

    def patched(self, offset: int, patch: bytes, **changes: Any) -> bytes:
        """A report with bytes of the signed part replaced before signing."""
        signed = bytearray(encode_signed_part(self.fields(**changes)))
        signed[offset : offset + len(patch)] = patch
        return sign_report(bytes(signed), key=chip_key())


@functools.cache
def synthetic_amd(
    product: Product = Product.MILAN, kind: VekKind = VekKind.VCEK, *, swapped: bool = False
) -> SyntheticAmd:
    """A vendor with AMD's names. ``swapped`` gives another vendor of the same names."""
    line = "SEV-VLEK" if kind is VekKind.VLEK else "SEV"
    names = VendorNames(
        ark=amd_name(f"ARK-{product}"),
        signer=amd_name(f"{line}-{product}"),
        vek=amd_name(f"SEV-{kind}"),
    )
    first, second = ca_keys()
    keys = (second, first) if swapped else (first, second)
    vendor = make_vendor(product, kind, names=names, keys=keys, start=START)
    root = SnpRoot(
        product=product,
        kind=kind,
        platform=Platform.SIMULATED,
        ark=_facts(vendor.ark, f"ARK-{product}"),
        signer=_facts(vendor.signer, f"{line}-{product}"),
        vek_subject=names.vek,
    )
    return SyntheticAmd(vendor, root)


@functools.cache
def simulated_amd() -> SyntheticAmd:
    """The vendor of a simulated Milan platform, whose root the command line takes."""
    names = simulated_names(Product.MILAN, VekKind.VCEK)
    vendor = make_vendor(Product.MILAN, VekKind.VCEK, names=names, keys=ca_keys(), start=START)
    return SyntheticAmd(vendor, parse_simulated_root(root_document(vendor)))


def without(*numbers: int) -> Edit:
    """Drops the AMD extensions with these last arcs (``3, 9`` is fmcSPL)."""
    return lambda extensions: tuple(e for e in extensions if e.arcs != (*AMD_ARC, *numbers))


def with_content(content: bytes, *numbers: int) -> Edit:
    """Replaces the content of an AMD extension."""
    return lambda extensions: tuple(
        replace(e, content=content) if e.arcs == (*AMD_ARC, *numbers) else e for e in extensions
    )


def with_extension(extension: RawExtension) -> Edit:
    """Appends an extension."""
    return lambda extensions: (*extensions, extension)


def _facts(authority: Authority, common_name: str) -> CaFacts:
    certificate = parse_certificate(authority.certificate, what="synthetic CA")
    return CaFacts(
        common_name=common_name,
        subject=certificate.subject,
        serial=certificate.serial,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        sha256=hashlib.sha256(authority.certificate).digest(),
        spki_sha256=hashlib.sha256(certificate.key).digest(),
        modulus=authority.key.public_key().public_numbers().n,
    )
