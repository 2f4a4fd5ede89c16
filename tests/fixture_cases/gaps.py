"""What is no failure of one check: gaps, verdicts in part, unusable policies, bombs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import MALFORMED, alone, logged, squeezed
from tests.fixture_cases.vendor import MEASUREMENT, contents, root_with_names_of_amd, tar
from verifier.appraisal.verdict import Outcome
from verifier.conformance.fixture import Ruling

__all__ = ["bombs", "gaps", "partly", "unusable_policies"]

_OPEN: dict[str, Any] = {"ruling": Ruling.REJECTED, "verdict": Outcome.NOT_DETERMINED}
_PART: dict[str, Any] = {"ruling": Ruling.REJECTED, "verdict": Outcome.PARTIAL}


def gaps() -> Iterator[Case]:
    """A check that is required could not be made: never accepted, and nobody is accused."""
    yield alone(
        "snp.vek.format",
        "There is no certificate",
        "ATK-013",
        what="absent",
        held={"snp_vek": None},
        errors=("snp.vek.format",),
        **_OPEN,
    )
    yield alone(
        "snp.chain.revocation",
        "The policy wants a CRL, and there is none: revocation is unknown",
        "ATK-008",
        "ATK-092",
        what="absent-crl",
        changed={"crl": "fresh"},
        errors=("snp.chain.revocation",),
        **_OPEN,
    )
    yield alone(
        "snp.report_data",
        "Nobody gave a nonce, so that freshness cannot be judged",
        "ATK-038",
        "ATK-091",
        what="no-nonce",
        held={"nonce": None},
        **_OPEN,
    )


def partly() -> Iterator[Case]:
    """All that is required passed, and what the evidence claims is not all of that."""
    reason = {"not_checked": "on purpose"}
    for field in ("measurement", "report_data"):
        yield alone(
            f"snp.{field}",
            f"The policy leaves out {field.upper()}: the signature alone says little",
            "ATK-013",
            "ATK-091",
            what="left-out",
            changed={field: reason},
            not_proven=(f"snp.{field}",),
            **_PART,
        )
    yield alone(
        "snp.report.unknown_bits",
        "A bit that nobody knows is let pass by the policy, and stays unknown",
        "ATK-010",
        "ATK-012",
        what="let-pass",
        fields={"policy": 0x4030000},
        changed={"unknown_bits": ["POLICY bit 26"]},
        not_proven=("snp.report.unknown_bits",),
        **_PART,
    )
    yield logged(
        "release.signature",
        "The bundle holds a release, and the policy asks for the log alone",
        "ATK-013",
        what="not-asked",
        changed={"require": ("evidence", "log"), "measurement": [MEASUREMENT.hex()]},
        not_proven=("release.signature",),
        **_PART,
    )


def unusable_policies() -> Iterator[Case]:
    """Policies and roots that must not be used at all."""
    unusable: dict[str, Any] = {
        "ruling": Ruling.MALFORMED,
        "verdict": None,
        "spec": ("schemas/policy.v1",),
    }
    case = alone(None, "", what="policy-unknown-key", **unusable)
    yield replace(
        case,
        title="A misspelt rule of the policy, which nobody would apply",
        attacks=("ATK-090",),
        policy=case.policy.replace(b"minimum_guest_svn", b"minimum_guest_snv"),
    )
    yield replace(
        case,
        slug="policy-requires-nothing",
        title="A policy that requires nothing",
        attacks=("ATK-090", "ATK-091"),
        policy=case.policy.replace(b'require = ["evidence"]', b"require = []"),
    )
    (root,) = case.roots.values()
    yield replace(
        case,
        slug="root-claims-hardware",
        title="A root document that calls a simulated vendor hardware",
        attacks=("ATK-001", "ATK-093"),
        roots={"root.json": root.replace(b'"simulated"', b'"hardware"')},
    )
    yield replace(
        case,
        slug="root-with-names-of-amd",
        title="A root document of somebody's own keys under AMD's names",
        attacks=("ATK-001", "ATK-093"),
        roots={"root.json": root_with_names_of_amd()},
    )


def bombs() -> Iterator[Case]:
    """Evidence that costs more than it says."""
    filling = bytes(12 * 1024 * 1024)
    case = alone(
        "snp.report.format",
        "A report of twelve megabytes, with the digest that the bundle states",
        "ATK-048",
        what="bomb-large-report",
        **MALFORMED,
    )
    yield squeezed(case, tar(contents(only_evidence=True) | {"snp-report": filling}), filling)
