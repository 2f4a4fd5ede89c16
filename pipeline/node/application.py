"""What a node answers: evidence of its own session, sealed requests for work, and counters.

Messages are data. They are cut, counted and compared, and nothing in them is an instruction; none
of their text leaves the session that it came in, and what a chat was told dies with its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from pipeline.node.counters import Counters
from pipeline.node.evidence_source import EvidenceSource
from pipeline.node.http import Answer, Request, problem
from pipeline.node.own_release import OwnRelease
from pipeline.node.sealing import Seals
from verifier.errors import AuditError, FetchError, ParseError, VerificationError
from verifier.evidence.report_data import report_data_of_session
from verifier.tlog.strict import excerpt
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    NONCE_MEDIA_TYPE,
    NONCE_SIZE,
    EvidenceAnswer,
    encode_evidence,
)
from verifier.wire.sealed import MAX_RESPONSE, SEALED_MEDIA_TYPE, SEALED_PATH
from verifier.wire.service import (
    COUNTERS_PATH,
    JSON_MEDIA_TYPE,
    encode_counters,
)
from verifier.wire.workload.backend import WORKLOADS, Session

__all__ = ["SOURCE_FIELD", "Application", "Peer"]

SOURCE_FIELD = "Cvm-Audit-Evidence-Source"
"""Header field that says to people where a report comes from; nothing may rest on it."""

_Export = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection: its exporter, its seals, and what it was told; nothing else has them."""

    export: _Export
    session: Session
    seals: Seals


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    media_type: str
    answer: Callable[[bytes, Peer], Answer]


class Application:
    """The answers of one node; safe under threads."""

    def __init__(
        self,
        *,
        source: EvidenceSource,
        own_release: OwnRelease,
        spki_sha256: bytes,
        counters: Counters,
    ) -> None:
        self._source = source
        self._own_release = own_release
        self._spki_sha256 = spki_sha256
        self._counters = counters
        self._routes: Mapping[str, _Route] = {
            EVIDENCE_PATH: _Route("POST", NONCE_MEDIA_TYPE, self._evidence),
            SEALED_PATH: _Route("POST", SEALED_MEDIA_TYPE, self._sealed),
            COUNTERS_PATH: _Route("GET", "", self._read_counters),
        }
        self._workloads = {each.path: each for each in WORKLOADS}

    def answer(self, request: Request, *, peer: Peer) -> Answer:
        """The answer to ``request`` on the connection of ``peer``."""
        route = self._routes.get(request.target)
        if route is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "target", list(self._routes), request.target)
        if request.method != route.method:
            allowed = (("Allow", route.method),)
            status = HTTPStatus.METHOD_NOT_ALLOWED
            return self._refuse(status, "method", [route.method], request.method, allowed)
        if request.media_type != route.media_type:
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            return self._refuse(status, "Content-Type", [route.media_type], request.media_type)
        try:
            return route.answer(request.body, peer)
        except (ParseError, VerificationError) as error:
            self._counters.add("requests_refused")
            return problem(HTTPStatus.BAD_REQUEST, error)

    def _refuse(
        self,
        status: HTTPStatus,
        what: str,
        expected: list[str],
        got: str,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        self._counters.add("requests_refused")
        wanted = " or ".join(expected) or "none"
        return problem(status, ParseError(what, expected=wanted, got=excerpt(got)), fields=fields)

    def _evidence(self, body: bytes, peer: Peer) -> Answer:
        if len(body) != NONCE_SIZE:
            raise ParseError("nonce", expected=f"{NONCE_SIZE} bytes", got=f"{len(body)}")
        role = self._own_release.release.role
        exporter = peer.export(body)
        sealing_key = peer.seals.renew(role=role, exporter=exporter)
        report_data = report_data_of_session(
            exporter=exporter,
            nonce=body,
            role=role,
            spki_sha256=self._spki_sha256,
            sealing_key_sha256=sealing_key.sha256,
        )
        try:
            own = self._source.fetch_evidence(report_data)
        except AuditError:
            self._counters.add("evidence_failed")
            error = FetchError("evidence", expected="a report", got="no usable one")
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error)
        answer = EvidenceAnswer(
            role=role,
            report=own.raw,
            certificate_table=own.certificate_table,
            release_entry=self._own_release.entry,
            release_proof=self._own_release.proof,
            sealing_key=sealing_key.raw,
        )
        self._counters.add("evidence")
        fields = ((SOURCE_FIELD, self._source.label),)
        return Answer(HTTPStatus.OK, EVIDENCE_MEDIA_TYPE, encode_evidence(answer), fields)

    def _sealed(self, body: bytes, peer: Peer) -> Answer:
        opened = peer.seals.open(body)
        self._counters.add("requests_sealed")
        # From here on nothing is said in the open, not even that a request was refused.
        inner = self._work(opened.request.path, opened.request.content, peer.session)
        if len(inner.body) > MAX_RESPONSE:
            error = ParseError("answer", expected=f"at most {MAX_RESPONSE} bytes", got="more")
            inner = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
        return Answer(HTTPStatus.OK, SEALED_MEDIA_TYPE, opened.seal(inner.status, inner.body))

    def _work(self, path: str, content: bytes, session: Session) -> Answer:
        workload = self._workloads.get(path)
        if workload is None:
            expected = " or ".join(self._workloads)
            error = ParseError("path", expected=expected, got=excerpt(path))
            return problem(HTTPStatus.NOT_FOUND, error)
        try:
            return _json(workload.answer(content, session))
        except ParseError as error:
            return problem(HTTPStatus.BAD_REQUEST, error)

    def _read_counters(self, body: bytes, _peer: Peer) -> Answer:
        if body:
            raise ParseError("body", expected="none", got=f"{len(body)} bytes")
        return _json(encode_counters(self._counters.read()))


def _json(body: bytes) -> Answer:
    return Answer(HTTPStatus.OK, JSON_MEDIA_TYPE, body)
