"""Certificates, chains and CRLs of which one thing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.fixture_cases.case import Case
from tests.fixture_cases.keys import rsa_key
from tests.fixture_cases.making_cases import MALFORMED, alone
from tests.fixture_cases.vendor import NOW, vendor
from tests.synthetic_amd import START, with_content, without
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind

__all__ = ["certificates", "revocation"]

_FRESH = {"crl": "fresh"}


def certificates() -> Iterator[Case]:
    """The VEK and the chain above it."""
    yield from _malformed()
    yield from _chain()
    yield from _issuer()


def _malformed() -> Iterator[Case]:
    amd = vendor()
    rows = (
        ("no-hwid", "The VCEK names no chip", amd.vek(edit=without(4))),
        ("no-spl", "The VCEK lacks one of the TCB's components", amd.vek(edit=without(3, 8))),
        (
            "long-integer",
            "A component of the TCB is written in two bytes, of which some read the last only",
            amd.vek(edit=with_content(b"\x02\x02\x00\x18", 3, 3)),
        ),
        (
            "short-hwid",
            "The hwID has the eight bytes of Turin",
            amd.vek(edit=with_content(amd.hw_id[:8], 4)),
        ),
        ("trailing", "Something follows the certificate", amd.vek() + b"\0"),
        (
            "bomb-length",
            "The certificate claims to have two gigabytes",
            b"\x30\x84\x7f\xff\xff\xff" + amd.vek()[4:],
        ),
    )
    attacks = {"bomb-length": ("ATK-048",), "no-spl": ("ATK-003",), "long-integer": ("ATK-003",)}
    for what, title, vek in rows:
        yield alone(
            "snp.vek.format",
            title,
            *attacks.get(what, ("ATK-094",)),
            what=what,
            held={"snp_vek": vek},
            **MALFORMED,
        )


def _chain() -> Iterator[Case]:
    forged = vendor(swapped=True)
    yield alone(
        "snp.chain.root",
        "The evidence brings CA certificates of the same names and other keys",
        "ATK-001",
        held={"snp_ca": forged.vendor.signer.certificate},
    )
    before = datetime(2025, 11, 21, 12, tzinfo=UTC)
    yield alone(
        "snp.chain.validity",
        "The CA certificates are not valid yet at the instant, the VCEK is",
        "ATK-092",
        held={"snp_vek": vendor().vek(start=before - timedelta(days=1))},
        instant=before,
    )
    yield alone(
        "snp.vek.signature",
        "A whole chain of the same names and other keys: certificate and report agree",
        "ATK-001",
        held={"snp_vek": forged.vek()},
        what="forged-chain",
    )
    edited = bytearray(vendor().vek())
    place = edited.index(vendor().hw_id)
    edited[place : place + 64] = b"\x09" * 64
    yield alone(
        "snp.vek.signature",
        "An extension was edited after signing, to name another chip",
        "ATK-045",
        "ATK-006",
        held={"snp_vek": bytes(edited)},
        what="edited-extension",
    )
    yield alone(
        "snp.vek.validity",
        "The VCEK expired three weeks ago",
        "ATK-092",
        held={"snp_vek": vendor().vek(start=datetime(2019, 11, 1, tzinfo=UTC))},
        what="expired",
    )
    yield alone(
        "snp.vek.validity",
        "The VCEK will be valid tomorrow",
        held={"snp_vek": vendor().vek(start=NOW + timedelta(days=1))},
        what="future",
    )


def _issuer() -> Iterator[Case]:
    genoa = vendor(Product.GENOA)
    yield alone(
        "snp.vek.issuer",
        "A chain of Genoa, where only the root of Milan is given",
        "ATK-002",
        held={"snp_vek": genoa.vek()},
        what="unknown",
    )
    vlek = vendor(kind=VekKind.VLEK)
    yield alone(
        "snp.vek.issuer",
        "A chain for VLEKs, where only the root for VCEKs is given",
        "ATK-002",
        held={"snp_vek": vlek.vek()},
        what="other-kind",
    )


def revocation() -> Iterator[Case]:
    """The vendor's CRL."""
    amd = vendor()
    crl = amd.crl()
    yield alone(
        "snp.crl.format",
        "The CRL is cut off",
        "ATK-008",
        held={"snp_crl": crl[:-1]},
        changed=_FRESH,
        **MALFORMED,
    )
    yield alone(
        "snp.crl.signature",
        "Another key signed the CRL",
        "ATK-008",
        held={"snp_crl": amd.crl(key=rsa_key("signer"))},
        changed=_FRESH,
    )
    yield alone(
        "snp.crl.freshness",
        "The CRL has been due for renewal for a second",
        "ATK-008",
        "ATK-092",
        held={"snp_crl": amd.crl(next_update=NOW - timedelta(seconds=1))},
        changed=_FRESH,
        what="stale",
    )
    yield alone(
        "snp.crl.freshness",
        "The CRL was issued after the instant",
        "ATK-008",
        held={"snp_crl": amd.crl(this_update=NOW + timedelta(seconds=1))},
        changed=_FRESH | {"crl": "stale_accepted"},
        what="future",
    )
    yield alone(
        "snp.chain.revocation",
        "The CA that signs the chips' keys is revoked",
        "ATK-008",
        held={"snp_crl": amd.crl(revoked=((amd.root.signer.serial, START),))},
        changed=_FRESH,
    )
