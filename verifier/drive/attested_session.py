"""A session that may be asked something: its evidence has been VERIFIED, and binds this session.

First a nonce of our own goes over the new session and evidence comes back; the evidence is judged
as a bundle, so that anyone can judge it again later; only then is there an ``AttestedSession``,
and nothing else sends a request. Source: design section 6; docs/spec/attested-tls.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from verifier.drive.tls_client import TlsClient
from verifier.errors import ParseError, VerificationError
from verifier.evidence.bundle import MANIFEST, encode_manifest
from verifier.evidence.certificate_table import parse_certificate_table
from verifier.evidence.tls_certificate import open_self_signed
from verifier.library import Verified
from verifier.roots.snp_root import VekKind
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    MAX_EVIDENCE,
    NONCE_MEDIA_TYPE,
    NONCE_SIZE,
    EvidenceAnswer,
    parse_evidence,
)
from verifier.wire.service import (
    JSON_MEDIA_TYPE,
    MAX_ANSWER,
    REWRITE_PATH,
    SUMMARY_PATH,
    RewriteRequest,
    SummaryRequest,
    encode_rewrite_request,
    encode_summary_request,
    parse_rewrite_answer,
    parse_summary_answer,
)
from verifier.wire.session_binding import SessionBinding, encode_session_binding

__all__ = ["AttestedSession", "SessionEvidence", "collect_evidence"]

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvidence:
    """What a server said of itself in one session, and what we saw of the session.

    ``nonce`` is ours, 32 bytes. Believed by no one until it is judged.
    """

    nonce: bytes
    answer: EvidenceAnswer
    binding: SessionBinding

    def bundle(self, *, policy: bytes, captured: datetime) -> Mapping[str, bytes]:
        """The files of an evidence bundle by path; ``policy`` is recorded with it."""
        contents = {
            "evidence/nonce.bin": ("nonce", self.nonce),
            "evidence/report.bin": ("snp-report", self.answer.report),
            "evidence/session-binding.json": (
                "session-binding",
                encode_session_binding(self.binding),
            ),
            "policy.toml": ("policy", policy),
            "release/entry.json": ("release-entry", self.answer.release_entry),
            "release/entry.tlog-proof": ("release-proof", self.answer.release_proof),
        }
        vek = self._vek()
        if vek is not None:
            contents["evidence/vek.der"] = ("snp-vek", vek)
        manifest = encode_manifest(contents, captured=captured)
        return {MANIFEST: manifest, **{path: data for path, (_, data) in contents.items()}}

    def _vek(self) -> bytes | None:
        # Without one the appraisal says what is missing; no table at all is no reason to raise.
        if not self.answer.certificate_table:
            return None
        table = parse_certificate_table(self.answer.certificate_table)
        return table.vek(VekKind.VCEK) or table.vek(VekKind.VLEK)


def collect_evidence(client: TlsClient) -> SessionEvidence:
    """Send a fresh nonce and read the evidence. Raises ParseError, VerificationError, FetchError.

    Nothing but the nonce, which is random, is sent.
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    exporter = client.export(nonce)
    certificate = client.certificate
    raw = _ask(
        client,
        EVIDENCE_PATH,
        nonce,
        sent=NONCE_MEDIA_TYPE,
        received=EVIDENCE_MEDIA_TYPE,
        limit=MAX_EVIDENCE,
    )
    answer = parse_evidence(raw)
    binding = SessionBinding(
        exporter=exporter,
        nonce=nonce,
        role=answer.role,
        spki_sha256=open_self_signed(certificate),
        certificate=certificate,
        level="exporter",
    )
    return SessionEvidence(nonce=nonce, answer=answer, binding=binding)


class AttestedSession:
    """Where a user's words may go: ``verified`` is the verdict on the evidence of ``client``."""

    def __init__(self, client: TlsClient, verified: Verified) -> None:
        if not isinstance(verified, Verified):
            raise TypeError("a session is attested by a verdict that says VERIFIED")
        self._client = client
        self.verdict = verified.verdict

    def summarise(self, request: SummaryRequest) -> tuple[str, ...]:
        """The CVM's summary. Raises FetchError, VerificationError, ParseError."""
        return parse_summary_answer(self._json(SUMMARY_PATH, encode_summary_request(request)))

    def rewrite(self, request: RewriteRequest) -> tuple[str, ...]:
        """The CVM's suggestions. Raises as ``summarise``."""
        return parse_rewrite_answer(self._json(REWRITE_PATH, encode_rewrite_request(request)))

    def _json(self, path: str, body: bytes) -> bytes:
        kind = JSON_MEDIA_TYPE
        return _ask(self._client, path, body, sent=kind, received=kind, limit=MAX_ANSWER)


def _ask(
    client: TlsClient, path: str, body: bytes, *, sent: str, received: str, limit: int
) -> bytes:
    answer = client.exchange("POST", path, body, media_type=sent, limit=limit)
    if answer.status != _OK:
        raise VerificationError(path, expected=f"status {_OK}", got=f"status {answer.status}")
    if answer.media_type != received:
        raise ParseError(path, expected=received, got=repr(answer.media_type[:60]))
    return answer.content
