"""The synthetic vendor: whole chains for every product and kind of key, and evidence under them.

Structure, identifiers and encodings are AMD's; the names say SIMULATED, because no root document
may carry AMD's (``verifier.evidence.simulated_root``). What agrees with what is fixed here, so
that a case changes one thing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from pipeline.platform.simulated_report import encode_signed_part, sign_report
from pipeline.platform.simulated_vendor import (
    VendorNames,
    make_vendor,
    root_document,
    simulated_names,
)
from tests.fixture_cases.keys import ec_key, rsa_key
from tests.making import FLOOR, PUBLISHER, Log, entry, policy, statement
from tests.making import bundle as bundle_files
from tests.synthetic_amd import CSP_ID, NOW, START, TCBS, Edit, SyntheticAmd
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.amd_name import amd_name

__all__ = [
    "CHIP",
    "MEASUREMENT",
    "NONCE",
    "NOW",
    "PROMISED",
    "FixtureAmd",
    "contents",
    "log_of",
    "root_with_names_of_amd",
    "rules",
    "tar",
    "vendor",
]

MEASUREMENT = b"\x11" * 48
NONCE = bytes(range(32))
FLOORS: Mapping[Product, dict[str, int]] = {
    product: {
        name: getattr(tcb, name)
        for name in ("fmc", "bootloader", "tee", "snp", "microcode")
        if getattr(tcb, name) is not None
    }
    for product, tcb in TCBS.items()
} | {Product.MILAN: FLOOR}
PROMISED = statement()["predicate"]["expectedEvidence"]


@dataclass(frozen=True)
class FixtureAmd(SyntheticAmd):
    """A synthetic vendor whose every signature can be made again."""

    def report(self, **changes: Any) -> bytes:
        return sign_report(encode_signed_part(self.fields(**changes)), key=ec_key("chip"))

    def patched(self, offset: int, patch: bytes, **changes: Any) -> bytes:
        signed = bytearray(encode_signed_part(self.fields(**changes)))
        signed[offset : offset + len(patch)] = patch
        return sign_report(bytes(signed), key=ec_key("chip"))

    def vek(
        self,
        *,
        edit: Edit = lambda extensions: extensions,
        start: Any = START,
        key: EllipticCurvePrivateKey | None = None,
        **changes: Any,
    ) -> bytes:
        return super().vek(edit=edit, start=start, key=key or ec_key("chip"), **changes)

    @property
    def roots(self) -> dict[str, bytes]:
        """The folder of trust roots."""
        return {"root.json": root_document(self.vendor)}


@functools.cache
def vendor(
    product: Product = Product.MILAN, kind: VekKind = VekKind.VCEK, *, swapped: bool = False
) -> FixtureAmd:
    """The vendor of one product and kind; ``swapped`` is another one of the same names."""
    keys = (rsa_key("ark"), rsa_key("signer"))
    made = make_vendor(
        product,
        kind,
        names=simulated_names(product, kind),
        keys=keys[::-1] if swapped else keys,
        start=START,
    )
    return FixtureAmd(made, parse_simulated_root(root_document(made)))


def root_with_names_of_amd() -> bytes:
    """The root document that nothing may take: its keys are ours, and its names AMD's own."""
    names = VendorNames(
        ark=amd_name("ARK-Milan"), signer=amd_name("SEV-Milan"), vek=amd_name("SEV-VCEK")
    )
    keys = (rsa_key("ark"), rsa_key("signer"))
    made = make_vendor(Product.MILAN, VekKind.VCEK, names=names, keys=keys, start=START)
    return root_document(made)


CHIP = vendor().hw_id.hex()


def contents(
    amd: FixtureAmd | None = None,
    *,
    release: Mapping[str, Any] | None = None,
    only_evidence: bool = False,
    fields: Mapping[str, Any] | None = None,
    **replaced: bytes | None,
) -> dict[str, bytes]:
    """What a bundle holds, by role with ``_`` for ``-``; None leaves a role out.

    ``fields`` change the report.
    """
    amd = amd or vendor()
    given = {"report_data": report_data_of_nonce(NONCE), "measurement": MEASUREMENT}
    held: dict[str, bytes | None] = {
        "snp-report": amd.report(**(given | dict(fields or {}))),
        "snp-vek": amd.vek(),
        "nonce": NONCE,
    }
    if not only_evidence:
        raw = entry(release or _statement(amd))
        held |= {"release-entry": raw, "release-proof": log_of(raw).proof(1)}
    held |= {role.replace("_", "-"): raw for role, raw in replaced.items()}
    return {role: raw for role, raw in held.items() if raw is not None}


def _statement(amd: FixtureAmd) -> dict[str, Any]:
    product = amd.vendor.product
    floors = {str(product): FLOORS[product]}
    return statement(MEASUREMENT, expectedEvidence=PROMISED | {"minimumTcb": floors})


def log_of(raw: bytes) -> Log:
    """A log of two entries, the second of them ``raw``."""
    return Log((b"another", raw))


def tar(held: Mapping[str, bytes], **files: bytes) -> bytes:
    """The tar of a bundle that holds this; ``files`` replace whole files by their name."""
    return encode_bundle_tar(bundle_files(held, captured=NOW - timedelta(minutes=1)) | files)


def rules(amd: FixtureAmd | None = None, *, only_evidence: bool = False, **changes: Any) -> bytes:
    """A policy under which what ``contents`` makes is verified; ``changes`` replace rules."""
    amd = amd or vendor()
    product, kind = amd.vendor.product, amd.vendor.kind
    by_provider = kind is VekKind.VLEK
    given: dict[str, Any] = {
        "products": [str(product)],
        "floors": {str(product): FLOORS[product]},
        "signing_keys": [str(kind)],
        "csp_ids": [CSP_ID.decode()] if by_provider else [],
        "report_data": "nonce",
        "require": ("evidence",) if only_evidence else ("evidence", "log", "release"),
    }
    if only_evidence:
        given["measurement"] = [MEASUREMENT.hex()]
    return policy(by=PUBLISHER, **(given | changes)).replace(b"test-policy", b"fixtures")
