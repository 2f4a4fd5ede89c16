"""Appraises the binding of evidence to one TLS session, as the client of that session saw it.

The exporter value is known to the two ends of a session and to nobody between them, and the nonce
went over it after the handshake: evidence that holds both was made for this session by its end, and
cannot be relayed (ATK-040). Whoever was not the client has only the client's word for the exporter
value. Source: design section 6; RFC 8446 section 7.5; docs/spec/attested-tls.md.
"""

from __future__ import annotations

from verifier.appraisal.findings import FindingClass, compared
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.snp_judging import Nonce
from verifier.errors import VerificationError
from verifier.evidence.tls_certificate import open_self_signed
from verifier.wire.session_binding import SessionBinding, parse_session_binding

__all__ = ["SESSION_CHECKS", "SESSION_ROLE", "appraise_session"]

SESSION_CHECKS = ("session.binding", "session.role")
"""What is checked where REPORT_DATA must bind a session; the role where the policy names one."""
SESSION_ROLE = "session-binding"
"""The role of the binding in an evidence bundle."""

_SOURCE = SESSION_ROLE


def appraise_session(
    ledger: Ledger, raw: bytes | None, *, nonce: Nonce | None, role: str | None
) -> SessionBinding | None:
    """Record a finding for ``SESSION_CHECKS``; return the binding if it holds.

    ``role`` is the one that the policy wants of the release, None where it names none.
    """
    checks = SESSION_CHECKS if role is not None else SESSION_CHECKS[:1]
    if raw is None:
        ledger.missing(checks, role=SESSION_ROLE)
        return None
    if nonce is None:
        reason = "no nonce was given, and the bundle records none"
        ledger.skip(checks, reason=reason, source=_SOURCE)
        return None
    binding = ledger.attempt(
        "session.binding",
        lambda: _open(raw, nonce),
        expected="the key of the certificate, and the nonce",
        got=lambda b: f"level {b.level}, after the handshake, for nonce {nonce}",
        source=_SOURCE,
    )
    if binding is None:
        ledger.skip(checks[1:], reason="the binding does not hold", source=_SOURCE)
        return None
    if role is not None:
        ledger.record(
            [
                compared(
                    "session.role",
                    holds=binding.role == role,
                    expected=role,
                    got=binding.role,
                    source=_SOURCE,
                    cls=FindingClass.SECURITY,
                    hint="the evidence is of another part of the system (ATK-049)",
                )
            ]
        )
    return binding


def _open(raw: bytes, nonce: Nonce) -> SessionBinding:
    binding = parse_session_binding(raw)
    digest = open_self_signed(binding.certificate)
    if digest != binding.spki_sha256:
        raise VerificationError("spkiSha256", expected=digest.hex(), got=binding.spki_sha256.hex())
    if binding.nonce != nonce.value:
        raise VerificationError("nonce", expected=str(nonce), got=binding.nonce.hex())
    return binding
