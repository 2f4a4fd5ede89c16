"""A session that may be asked something: its evidence has been VERIFIED, and binds this session.

First a nonce of our own goes over the new session and evidence comes back; the evidence is judged
as a bundle, so that anyone can judge it again later; only then is there an ``AttestedSession``,
and nothing else sends a request. Each request is sealed to the key that the evidence binds, and its
answer to a key of our own for this answer alone. Source: design section 6;
docs/spec/attested-tls.md, docs/spec/sealed.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from verifier.appraisal.findings import Status
from verifier.client.tls import TlsClient
from verifier.errors import ParseError, VerificationError
from verifier.evidence.bundle import MANIFEST, encode_manifest
from verifier.evidence.certificate_table import parse_certificate_table
from verifier.evidence.report_data import report_data_of_session
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tls_certificate import open_self_signed
from verifier.library import Verified
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_json
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    MAX_EVIDENCE,
    NONCE_MEDIA_TYPE,
    NONCE_SIZE,
    EvidenceAnswer,
    parse_evidence,
)
from verifier.wire.sealed import (
    MAX_SEALED,
    SEALED_MEDIA_TYPE,
    SEALED_PATH,
    SealedSession,
    SealingKey,
    open_response,
    parse_sealing_key,
    seal_request,
)
from verifier.wire.service import (
    CHAT_PATH,
    REWRITE_PATH,
    SUMMARY_PATH,
    ChatRequest,
    RewriteRequest,
    SummaryRequest,
    encode_chat_request,
    encode_rewrite_request,
    encode_summary_request,
    parse_chat_answer,
    parse_rewrite_answer,
    parse_summary_answer,
)
from verifier.wire.session_binding import (
    MAX_CERTIFICATE,
    SessionBinding,
    encode_session_binding,
)

__all__ = ["AttestedSession", "SessionEvidence", "collect_evidence", "files_of_bundle"]

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
        return files_of_bundle(self.contents(policy=policy, crl=None), captured=captured)

    def contents(self, *, policy: bytes, crl: bytes | None) -> Mapping[str, tuple[str, bytes]]:
        """The members of an evidence bundle: path to role and bytes.

        ``crl`` (DER) is what the client knows of revocations, None for nothing. Raises ParseError
        for a certificate table that cannot be read, or with two keys for a report that cannot.
        """
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
        if crl is not None:
            contents["evidence/crl.der"] = ("snp-crl", crl)
        return contents

    def _vek(self) -> bytes | None:
        # Without one the appraisal says what is missing; no table at all is no reason to raise.
        if not self.answer.certificate_table:
            return None
        table = parse_certificate_table(self.answer.certificate_table)
        return table.vek_of(self.answer.report)


def files_of_bundle(
    contents: Mapping[str, tuple[str, bytes]], *, captured: datetime
) -> Mapping[str, bytes]:
    """The files of a bundle by path, ``bundle.json`` first; ``contents`` as in ``contents``."""
    manifest = encode_manifest(contents, captured=captured)
    return {MANIFEST: manifest, **{path: data for path, (_, data) in contents.items()}}


def collect_evidence(client: TlsClient) -> SessionEvidence:
    """Send a fresh nonce and read the evidence. Nothing but the nonce, which is random, is sent.

    Raises ParseError, UnsupportedError, VerificationError and FetchError.
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    exporter = client.export(nonce)
    certificate = client.certificate
    if len(certificate) > MAX_CERTIFICATE:
        expected, got = f"at most {MAX_CERTIFICATE} bytes", f"{len(certificate)}"
        raise ParseError("TLS certificate", expected=expected, got=got)
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
        sealing_key_sha256=sha256(answer.sealing_key).digest(),
        certificate=certificate,
        level="exporter",
    )
    return SessionEvidence(nonce=nonce, answer=answer, binding=binding)


class AttestedSession:
    """Where a user's words may go: ``verified`` is the verdict on ``evidence``, of ``client``.

    Raises VerificationError unless that verdict says that this very session, and the key in
    ``evidence``, are bound: a policy can leave that out. Not safe under threads.
    """

    def __init__(self, client: TlsClient, evidence: SessionEvidence, verified: Verified) -> None:
        if not isinstance(verified, Verified):
            raise TypeError("a session is attested by a verdict that says VERIFIED")
        _require_bound(client, evidence, verified)
        self._client = client
        self._key = parse_sealing_key(evidence.answer.sealing_key)
        binding = evidence.binding
        self._place = SealedSession(role=binding.role, exporter=binding.exporter, sequence=0)
        self.verdict = verified.verdict

    def summarise(self, request: SummaryRequest) -> tuple[str, ...]:
        """The CVM's summary. Raises FetchError, VerificationError, ParseError."""
        return parse_summary_answer(self._sealed(SUMMARY_PATH, encode_summary_request(request)))

    def rewrite(self, request: RewriteRequest) -> tuple[str, ...]:
        """The CVM's suggestions. Raises as ``summarise``."""
        return parse_rewrite_answer(self._sealed(REWRITE_PATH, encode_rewrite_request(request)))

    def chat(self, request: ChatRequest) -> str:
        """The CVM's reply, which rests on the earlier turns. Raises as ``summarise``."""
        return parse_chat_answer(self._sealed(CHAT_PATH, encode_chat_request(request)))

    def _sealed(self, path: str, content: bytes) -> bytes:
        key = SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
        place = self._place
        # Counted before it is sent: a place whose answer was lost is never used again.
        self._place = replace(place, sequence=place.sequence + 1)
        request = seal_request(path, content, to=self._key, reply_to=key.public.raw, session=place)
        kind = SEALED_MEDIA_TYPE
        raw = _ask(self._client, SEALED_PATH, request, sent=kind, received=kind, limit=MAX_SEALED)
        status, answer = open_response(raw, key=key, request=request, session=place)
        if status != _OK:
            expected = f"status {_OK}{_demanded(answer)}"
            raise VerificationError(path, expected=expected, got=f"status {status}")
        return answer


def _demanded(problem: bytes) -> str:
    """What a verified CVM wants of a request; not what it got, which may be the user's words."""
    try:
        document = JsonObject(parse_json(problem, what="problem"), what="problem")
        return f", which takes {excerpt(document.text('expected'))}"
    except ParseError:
        return ""


def _require_bound(client: TlsClient, evidence: SessionEvidence, verified: Verified) -> None:
    binding, answer = evidence.binding, evidence.answer
    bound = report_data_of_session(
        exporter=client.export(evidence.nonce),
        nonce=evidence.nonce,
        role=answer.role,
        spki_sha256=open_self_signed(client.certificate),
        sealing_key_sha256=sha256(answer.sealing_key).digest(),
    )
    passed = {f.check: f.got for f in verified.verdict.findings if f.status is Status.PASS}
    said = parse_report(answer.report).report_data
    if "session.binding" not in passed or bound.hex() not in passed.get("snp.report_data", ""):
        expected, got = "a verdict that binds this session", f"one on REPORT_DATA {said.hex()}"
        hint = 'the policy has to say: report_data = "session"'
        raise VerificationError("session", expected=expected, got=got, hint=hint)
    if binding.exporter != client.export(evidence.nonce):
        got = binding.exporter.hex()
        raise VerificationError("session", expected="our own exporter value", got=got)


def _ask(
    client: TlsClient, path: str, body: bytes, *, sent: str, received: str, limit: int
) -> bytes:
    answer = client.exchange("POST", path, body, media_type=sent, limit=limit)
    if answer.status != _OK:
        raise VerificationError(path, expected=f"status {_OK}", got=f"status {answer.status}")
    if answer.media_type != received:
        raise ParseError(path, expected=received, got=repr(answer.media_type[:60]))
    return answer.content
