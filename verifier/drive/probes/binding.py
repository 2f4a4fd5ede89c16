"""What the evidence of a session through the path is bound to, and by which key exchange."""

from __future__ import annotations

from collections.abc import Mapping

from verifier.appraisal.drive.driven import Compared, Seen
from verifier.appraisal.findings import Status
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.watching import without_session_no_finding
from verifier.errors import VerificationError
from verifier.evidence.bundle import open_bundle, parse_bundle
from verifier.wire.session_binding import parse_session_binding

__all__ = ["GROUP", "LEVEL", "probe_binding"]

LEVEL = "exporter"
"""The exporter value over a nonce that was sent after the handshake (docs/spec/attested-tls.md)."""

GROUP = "X25519MLKEM768"
"""The hybrid key exchange, by OpenSSL's name (draft-ietf-tls-ecdhe-mlkem)."""


def probe_binding(lab: Lab) -> Mapping[str, Seen]:
    """Open a session, and compare the level of its binding and its key exchange."""
    return {"drive.path.binding": attempt(lambda: _bound(lab))}


def _bound(lab: Lab) -> Compared:
    with lab.new_client() as client:
        with without_session_no_finding():
            verdict = client.connect()
        group = client.group
        raw = open_bundle(parse_bundle(client.bundle)).content("session-binding")
    passed = {each.check for each in verdict.findings if each.status is Status.PASS}
    if raw is None or "session.binding" not in passed:
        raise VerificationError("session", expected="a binding that was judged", got="none")
    return Compared(
        expected=_words(LEVEL, GROUP),
        got=_words(parse_session_binding(raw).level, group or "none"),
        source="session-binding",
    )


def _words(level: str, group: str) -> str:
    return f"level {level}, after the handshake; key exchange {group}"
