"""What must be accepted: a baseline for each product and key, and what looks odd and is right."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import alone, logged
from tests.fixture_cases.vendor import CHIP, vendor
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = ["accepted"]

_DESIGN = ("design section 3",)


def accepted() -> Iterator[Case]:
    """The cases."""
    for product in Product:
        for kind in VekKind:
            yield logged(
                None,
                f"A report of {product} signed by a {kind}, with its logged release",
                "ATK-015",
                what=f"accepted-{product}-{kind}".lower(),
                amd=vendor(product, kind),
                spec=("SNP ABI, ATTESTATION_REPORT", *_DESIGN),
            )
    yield from _layouts()
    yield from _unusual()


def _layouts() -> Iterator[Case]:
    for version in (2, 3):
        yield alone(
            None,
            f"A report of version {version}, whose layout lacks later fields",
            "ATK-012",
            what=f"accepted-report-version-{version}",
            fields={"version": version},
            spec=("SNP ABI, ATTESTATION_REPORT",),
        )


def _unusual() -> Iterator[Case]:
    committed = Tcb(None, 4, 0, 24, 218)
    yield alone(
        None,
        "Newer firmware runs than is committed, and the policy allows that",
        "ATK-005",
        what="accepted-provisional-firmware",
        fields={"tcb": committed, "current_tcb": vendor().tcb, "launch_tcb": vendor().tcb},
        held={"snp_vek": vendor().vek(tcb=committed)},
        changed={"provisional_firmware": "allowed"},
        spec=("SNP ABI, TCB_VERSION",),
    )
    yield alone(
        None,
        "The report hides its chip, and the policy takes the certificate's word for it",
        "ATK-006",
        what="accepted-masked-chip",
        fields={"chip_id": bytes(64)},
        changed={"masked_chip_id": "allowed"},
        spec=("SNP ABI, CHIP_ID",),
    )
    yield alone(
        None,
        "VMPL 1 where the policy wants it",
        "ATK-011",
        what="accepted-vmpl-1",
        fields={"vmpl": 1},
        changed={"vmpls": [1]},
        spec=("SNP ABI, VMPL",),
    )
    yield alone(
        None,
        "The chip is one of those that the policy names",
        "ATK-006",
        what="accepted-chip-named",
        changed={"chip_ids": [CHIP]},
        spec=("SNP ABI, CHIP_ID",),
    )
    yield alone(
        None,
        "A current CRL that lists other certificates",
        "ATK-008",
        what="accepted-crl",
        held={"snp_crl": vendor().crl(revoked=((0x77, vendor().root.ark.not_before),))},
        changed={"crl": "fresh"},
        spec=("RFC 5280 section 5",),
    )
