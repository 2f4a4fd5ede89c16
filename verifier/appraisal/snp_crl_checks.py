"""Revocation: the vendor's CRL under the pinned ARK, step C6 of SEV-SNP verification.

The ARK lists the CA certificates that it no longer stands by. A VEK cannot be revoked like that:
all VEKs have serial number 0. Source: RFC 5280 sections 5 and 6.3; KDS, CRL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from verifier.appraisal.findings import Finding, FindingClass, Rejected, Status, compared, finding
from verifier.appraisal.ledger import Ledger
from verifier.errors import ParseError, VerificationError
from verifier.evidence.crl import Crl, parse_crl
from verifier.evidence.der import common_name
from verifier.roots.snp_root import CaFacts, SnpRoot
from verifier.tlog.strict import excerpt

__all__ = [
    "CRL_CHECKS",
    "CRL_DEMANDS",
    "AuthenticCrl",
    "authenticate_crl",
    "check_revocation",
]

CRL_CHECKS = (
    "snp.crl.format",
    "snp.crl.signature",
    "snp.crl.freshness",
    "snp.chain.revocation",
)
"""The checks of check_revocation, in this order."""
CRL_DEMANDS = ("fresh", "stale_accepted")
"""What a policy may ask for: a CRL that is current, or also one that has been due for renewal."""

_CRL = "snp-crl"
_HINT = "the vendor's key distribution service gives out the current one"


@dataclass(frozen=True, slots=True)
class AuthenticCrl:
    """A CRL that the ARK of ``root`` signed, of whatever age. Made by authenticate_crl."""

    crl: Crl
    root: SnpRoot
    findings: tuple[Finding, ...]


def authenticate_crl(crl: Crl, *, root: SnpRoot) -> AuthenticCrl:
    """Authenticate a CRL by the pinned ARK of ``root``: its exact Name, and its signature.

    Raises Rejected with the finding of snp.crl.signature.
    """
    found = _signature(crl, root.ark)
    if found.status is Status.FAIL:
        raise Rejected("CRL", (found,))
    return AuthenticCrl(crl, root, (found,))


def check_revocation(
    raw_crl: bytes | None,
    *,
    root: SnpRoot,
    now: datetime,
    demand: str,
    not_checked: str,
) -> tuple[Finding, ...]:
    """All findings of CRL_CHECKS at the instant ``now``.

    ``demand`` is one of CRL_DEMANDS, or empty where ``not_checked`` says why nobody asks. A CRL
    that is missing leaves revocation undetermined; one that is malformed, not the ARK's, or not
    yet valid fails. Raises ValueError if ``now`` has no time zone, or unless exactly one of
    ``demand`` and ``not_checked`` is given.
    """
    if now.tzinfo is None:
        message = "now has no time zone"
        raise ValueError(message)
    if bool(demand) == bool(not_checked) or (demand and demand not in CRL_DEMANDS):
        message = f"one of {CRL_DEMANDS} or a reason, not {demand!r} and {not_checked!r}"
        raise ValueError(message)
    ledger = Ledger()
    if not_checked:
        ledger.skip(CRL_CHECKS[-1:], reason=not_checked, source="policy")
    elif raw_crl is None:
        _absent(ledger)
    else:
        _judge(ledger, raw_crl, root=root, now=now, demand=demand)
    return ledger.findings


def _absent(ledger: Ledger) -> None:
    # The list is the vendor's to give, so its absence is a gap and not the claimant's lie.
    ledger.skip(CRL_CHECKS[:-1], reason="there is no CRL", source=_CRL)
    ledger.record(
        [
            finding(
                CRL_CHECKS[-1],
                Status.ERROR,
                expected="a CRL that does not list the chain",
                got="revocation unknown: there is no CRL",
                source=_CRL,
                cls=FindingClass.INFRASTRUCTURE,
                hint=_HINT,
            )
        ]
    )


def _judge(ledger: Ledger, raw: bytes, *, root: SnpRoot, now: datetime, demand: str) -> None:
    crl = ledger.attempt(
        "snp.crl.format",
        lambda: parse_crl(raw),
        expected="a complete X.509 CRL of version 2",
        got=lambda c: f"CRL number {c.number}, {len(c.revoked)} revoked, {len(raw)} bytes",
        source=_CRL,
    )
    if crl is None:
        ledger.skip(CRL_CHECKS[1:], reason="the CRL is malformed", source=_CRL)
        return
    authentic = ledger.enter(
        lambda: authenticate_crl(crl, root=root), findings_of=lambda a: a.findings
    )
    if authentic is None:
        ledger.skip(CRL_CHECKS[2:], reason="the CRL is not the vendor's", source=_CRL)
        return
    ledger.record((_freshness(authentic, now, demand), _revocation(authentic)))


def _signature(crl: Crl, ark: CaFacts) -> Finding:
    check, expected = "snp.crl.signature", f"an RSASSA-PSS signature by {ark.common_name}"
    try:
        _require_issuer(crl, ark)
        ark.verify_signature(crl.signature, crl.tbs, what="CRL")
    except VerificationError as error:
        return compared(check, holds=False, expected=expected, got=error.got, source=_CRL)
    return compared(check, holds=True, expected=expected, got="it verifies", source=_CRL)


def _require_issuer(crl: Crl, ark: CaFacts) -> None:
    if crl.issuer == ark.subject:
        return
    try:
        name = excerpt(common_name(crl.issuer, what="CRL, issuer"))
    except ParseError as error:
        name = error.got
    # The exact Name counts, which may differ where the common name does not.
    got = f"issued by {name}, Name {crl.issuer.hex()[:80]}"
    raise VerificationError("CRL, issuer", expected=ark.common_name, got=got)


def _freshness(authentic: AuthenticCrl, now: datetime, demand: str) -> Finding:
    crl = authentic.crl
    early, late = now < crl.this_update, now > crl.next_update
    status = Status.FAIL if early or late else Status.PASS
    if late and demand == "stale_accepted":
        status = Status.INFO
    return finding(
        "snp.crl.freshness",
        status,
        expected=f"{_utc(crl.this_update)} to {_utc(crl.next_update)}",
        got=_age(crl, now),
        source=_CRL,
        cls=FindingClass.POLICY,
        hint=_HINT if status is Status.FAIL else "",
    )


def _age(crl: Crl, now: datetime) -> str:
    if now < crl.this_update:
        return f"not yet valid at {_utc(now)}: issued {_span(crl.this_update - now)} later"
    age = f"{_span(now - crl.this_update)} old at {_utc(now)}"
    if now > crl.next_update:
        return f"stale: {age}, renewal due {_span(now - crl.next_update)} before"
    return f"fresh: {age}, renewal due in {_span(crl.next_update - now)}"


def _revocation(authentic: AuthenticCrl) -> Finding:
    # Any listing counts, whenever it begins: whoever holds a revoked key chooses the instants of
    # what it signs.
    crl, chain = authentic.crl, (authentic.root.signer, authentic.root.ark)
    since = {each.serial: each.since for each in crl.revoked}
    listed = [
        f"{ca.common_name} (serial {ca.serial:#x}) is revoked since {_utc(since[ca.serial])}"
        for ca in chain
        if ca.serial in since
    ]
    names = " nor ".join(f"{ca.common_name} (serial {ca.serial:#x})" for ca in chain)
    clear = f"CRL number {crl.number} lists neither {names}; VEKs have serial 0, no CRL lists one"
    return compared(
        "snp.chain.revocation",
        holds=not listed,
        expected="no certificate of the chain in the CRL",
        got=", ".join(listed) if listed else clear,
        source=_CRL,
    )


def _span(span: timedelta) -> str:
    if span.days:
        return f"{span.days} day{'s' if span.days > 1 else ''}"
    return f"{span.seconds // 3600} h {span.seconds % 3600 // 60} min"


@lru_cache(maxsize=64)
def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
