"""Pages of the checks of the TLS session that evidence was given in."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["SESSION"]

SESSION = (
    Explanation(
        check="session.binding",
        proves="The record of the session is well formed, its certificate is signed by its own "
        "key, its digest is that of this key, and its nonce is the auditor's. `snp.report_data` "
        "then compares REPORT_DATA with the digest of exporter value, nonce, role and key, which "
        "only the two ends of that one session could have asked for.",
        does_not_prove="That the exporter value is the session's: only its client saw it, and "
        "whoever judges the bundle later has the client's word for it.",
        fails_when="The record is of another session, another nonce or another key than the "
        "evidence, or it is missing.",
        do="Let the client that verified the session write the bundle; do not put parts of two "
        "sessions together.",
        attacks=("ATK-038", "ATK-040", "ATK-042", "ATK-045"),
    ),
    Explanation(
        check="session.role",
        proves="The CVM at the other end bound the role to the session that the policy wants of "
        "the release, so that one part of a system cannot answer for another.",
        does_not_prove="That it fulfils the role: that is what the measured code does.",
        fails_when="The client reached another part of the system than it meant to.",
        do="Look where the connection went, and which release the policy names.",
        attacks=("ATK-049",),
    ),
)
"""The session, in the order of the registry."""
