"""Whether the chip is one that an operator enrolled, in a logged ``host-identity`` (ATK-006).

The hwID of the certificate is looked up, and not CHIP_ID: a host can mask the one in the report,
and the one in the certificate is the vendor's word.
"""

from __future__ import annotations

from datetime import datetime

from verifier.appraisal.appraise_log import LOG_CHECKS, appraise_log
from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import FindingClass, compared
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import HostsPolicy, LogPolicy
from verifier.appraisal.signed_entry import open_signed
from verifier.errors import ParseError
from verifier.release.entry import AuthenticEntry, Entry, open_entry, parse_entry
from verifier.release.host_identity import PREDICATE_TYPE, HostIdentity
from verifier.release.subject import host_digest

__all__ = ["HOST_CHECKS", "appraise_hosts"]

HOST_CHECKS = ("host.format", "host.signature", "host.validity", "host.enrolled")
"""What is checked where a policy demands enrolled hosts, with the log's checks of the entry."""

_SOURCE = "host-identity-entry"
_PROOF = "host-identity-proof"


def appraise_hosts(
    ledger: Ledger,
    *,
    entry: bytes | None,
    proof: bytes | None,
    policy: HostsPolicy,
    log: LogPolicy,
    authentic: AuthenticReport | None,
    now: datetime,
) -> None:
    """Record a finding for each of ``HOST_CHECKS``, and for the entry's place in the log."""
    if entry is None or proof is None:
        ledger.missing((*HOST_CHECKS, *LOG_CHECKS), role=_SOURCE if entry is None else _PROOF)
        return
    appraise_log(ledger, entry=entry, proof=proof, policy=log, source=_PROOF)
    parsed = ledger.attempt(
        "host.format",
        lambda: _parse(entry),
        expected="a canonical envelope of a host-identity/v1",
        got=lambda e: f"{e.kind}, {len(e.raw)} bytes",
        source=_SOURCE,
    )
    if parsed is None:
        ledger.skip(HOST_CHECKS[1:], reason="the entry could not be read", source=_SOURCE)
        return
    opened = open_signed(
        ledger, "host.signature", open_entry, parsed, policy=policy, source=_SOURCE
    )
    if opened is None:
        ledger.skip(HOST_CHECKS[2:], reason="no operator named signed it", source=_SOURCE)
        return
    _compare(ledger, _identity(opened), policy, authentic, now)


def _parse(raw: bytes) -> Entry:
    entry = parse_entry(raw)
    if not isinstance(entry.content, HostIdentity):
        raise ParseError("predicate type", expected=PREDICATE_TYPE, got=entry.kind)
    return entry


def _identity(opened: AuthenticEntry) -> HostIdentity:
    assert isinstance(opened.content, HostIdentity)  # noqa: S101 - ``_parse`` made sure
    return opened.content


def _compare(
    ledger: Ledger,
    identity: HostIdentity,
    policy: HostsPolicy,
    authentic: AuthenticReport | None,
    now: datetime,
) -> None:
    period = f"{identity.not_before:%Y-%m-%dT%H:%M:%SZ} to {identity.not_after:%Y-%m-%dT%H:%M:%SZ}"
    ledger.record(
        [
            compared(
                "host.validity",
                holds=identity.operator == policy.operator
                and identity.not_before <= now <= identity.not_after,
                expected=f"operator {policy.operator}, {period}",
                got=f"operator {identity.operator}, at {now:%Y-%m-%dT%H:%M:%SZ}",
                source=_SOURCE,
                cls=FindingClass.POLICY,
            )
        ]
    )
    if authentic is None:
        ledger.skip(("host.enrolled",), reason="the report is not authentic", source=_SOURCE)
        return
    hw_id = authentic.vek.certificate.hw_id
    if hw_id is None:
        got, holds = "a VLEK, which names no chip", False
    else:
        digest = host_digest(product=authentic.product, hw_id=hw_id)
        name = next((host.name for host in identity.hosts if host.digest == digest), None)
        got, holds = f"{digest.hex()}" + (f" ({name})" if name else ""), name is not None
    ledger.record(
        [
            compared(
                "host.enrolled",
                holds=holds,
                expected=f"the digest of one of {len(identity.hosts)} enrolled chips",
                got=got,
                source="snp-vek",
                hint="a genuine machine, but not one that this operator vouches for",
            )
        ]
    )
