"""The witness over HTTP (C2SP tlog-witness).

=======  ====================================  ===================================================
method   path                                  answer
=======  ====================================  ===================================================
POST     ``/add-checkpoint``                   cosignature lines, or the status of ``decision``
GET      ``/<hex sha256(origin)>/checkpoint``  the checkpoint cosigned last, 404 if there is none
GET      ``/witness.v0.json``                  name, keys and prefixes of this witness
=======  ====================================  ===================================================

Besides the statuses of ``decision``: 413 for a body beyond ``MAX_BODY``, 429 for too many requests
for one log, 503 when the disk failed. Every refusal but 409 is a problem document (RFC 9457).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus

from log_server import __version__
from log_server.errors import LogError, NotFoundError
from log_server.exchange import CORS, Answer, Request
from log_server.problems import problem
from log_server.witness.errors import InconsistentError, RateError, StaleSizeError
from log_server.witness.request import MAX_BODY, SIZE_MEDIA_TYPE
from log_server.witness.witness import Witness
from verifier.errors import AuditError, ParseError, VerificationError
from verifier.tlog.note import VerificationKey
from verifier.tlog.strict import excerpt

__all__ = ["METADATA_PATH", "WitnessApp", "encode_metadata"]

METADATA_PATH = "/witness.v0.json"

_SUBMIT_PATH = "/add-checkpoint"
_TEXT = "text/plain; charset=utf-8"
_STATUSES: tuple[tuple[type[AuditError], HTTPStatus], ...] = (
    (ParseError, HTTPStatus.BAD_REQUEST),
    (VerificationError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (InconsistentError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RateError, HTTPStatus.TOO_MANY_REQUESTS),
    (LogError, HTTPStatus.SERVICE_UNAVAILABLE),
)
_RETRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def encode_metadata(*, keys: tuple[VerificationKey, ...], url: str) -> bytes:
    """``witness.v0.json``: who this is, in the form that Sunlight's witness has."""
    prefix = f"{url.rstrip('/')}/"
    members = {
        "monitoring_url": prefix,
        "name": keys[0].name,
        "software": {"name": "cvm-log", "version": __version__},
        "submission_url": prefix,
        "verifier_keys": [str(key) for key in keys],
    }
    return f"{json.dumps(members, indent=4, ensure_ascii=False)}\n".encode()


class WitnessApp:
    """Answers requests."""

    def __init__(self, witness: Witness, *, metadata: bytes, clock: Callable[[], datetime]) -> None:
        """``metadata`` is what ``encode_metadata`` gives; ``clock`` the aware time to sign."""
        self._witness = witness
        self._metadata = metadata
        self._clock = clock

    def max_body(self, method: str, target: str) -> int:
        """The longest body that is read, in bytes."""
        return MAX_BODY if (method, target.partition("?")[0]) == ("POST", _SUBMIT_PATH) else 0

    def too_large(self, method: str, target: str, size: int) -> Answer:
        """The answer to a body of ``size`` bytes or more."""
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        expected = f"at most {self.max_body(method, target)} bytes"
        return _refusal(status, "body", expected, f"{size} bytes or more")

    def answer(self, request: Request) -> Answer | Awaitable[Answer]:
        """The answer; one that waits for the disk comes later."""
        allowed = ("POST",) if request.path == _SUBMIT_PATH else ("GET", "HEAD")
        if request.method not in allowed:
            status = HTTPStatus.METHOD_NOT_ALLOWED
            headers = (("Allow", ", ".join(allowed)),)
            return _refusal(status, "method", " or ".join(allowed), request.method, headers)
        if request.path == _SUBMIT_PATH:
            return self._add_checkpoint(request.body)
        if request.path == METADATA_PATH:
            return Answer(HTTPStatus.OK, self._metadata, "application/json")
        return self._checkpoint(request.path)

    async def _add_checkpoint(self, body: bytes) -> Answer:
        try:
            # In a thread: the answer waits for the disk, other logs do not wait for it.
            lines = await asyncio.to_thread(self._witness.add_checkpoint, body, now=self._clock())
        except StaleSizeError as error:
            # The specification's own form: a client reads the size and tries again.
            return Answer(HTTPStatus.CONFLICT, f"{error.size}\n".encode(), SIZE_MEDIA_TYPE)
        except AuditError as error:
            status = next((status for kind, status in _STATUSES if isinstance(error, kind)), None)
            if status is None:
                raise
            retry = (("Retry-After", "1"),) if status in _RETRY else ()
            return _refusal(status, error.what, error.expected, error.got, retry)
        return Answer(HTTPStatus.OK, lines, _TEXT)

    def _checkpoint(self, path: str) -> Answer:
        content = self._witness.served(path.removeprefix("/"))
        if content is None:
            expected = f"/<hex SHA-256 of an origin>/checkpoint that was cosigned, {METADATA_PATH}"
            return _refusal(HTTPStatus.NOT_FOUND, "path", expected, excerpt(path))
        headers = (*CORS, ("Cache-Control", "no-cache"))
        return Answer(HTTPStatus.OK, content, _TEXT, headers)


def _refusal(
    status: HTTPStatus,
    what: str,
    expected: str,
    got: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    detail = f"{what}: {got} (expected {expected})"
    return problem(status, detail, field=what, expected=expected, got=got, headers=headers)
