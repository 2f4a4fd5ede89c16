"""One encapsulated request to one gateway, and its answer back, with nothing else either way.

The gateway sees a body, and header fields that are the same for every client, on a connection that
carried nothing before. The client sees a body or one of a few fixed refusals, so that the gateway
cannot mark it. Source: RFC 9458 sections 6.1 and 6.2.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from pipeline.role.counts import Counts
from pipeline.role.exchange import Asked, Route
from pipeline.role.problem import PROBLEM_MEDIA_TYPE, Answer, RefusalError
from verifier.errors import ParseError
from verifier.tlog.strict import parse_json
from verifier.wire.ohttp_media import (
    KEY_PROBLEM,
    MAX_ENCAPSULATED_REQUEST,
    MAX_ENCAPSULATED_RESPONSE,
    OHTTP_REQUEST_MEDIA_TYPE,
    OHTTP_RESPONSE_MEDIA_TYPE,
)

__all__ = ["COUNTED", "GATEWAY_SECONDS", "PATH", "Forwarding"]

COUNTED = ("gateway_refusals", "gateway_silent", "key_refusals")
"""What a relay counts besides what every role does."""

GATEWAY_SECONDS = 30.0
"""How long the gateway may be silent."""

PATH = "/"
"""Where clients send to."""

_FIELDS = {
    "Accept": OHTTP_RESPONSE_MEDIA_TYPE,
    "Accept-Encoding": "identity",
    "Connection": "close",
    "Content-Type": OHTTP_REQUEST_MEDIA_TYPE,
    "User-Agent": "cvm-audit-relay",
}
_CHUNK = 65_536


class _Verifying(HTTPAdapter):
    """Verifies TLS by ``roots``, and reads none itself: later there may be no right to them."""

    def __init__(self, roots: ssl.SSLContext) -> None:
        self._roots = roots
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._roots, **options)

    def cert_verify(self, *_: object) -> None:
        """Nothing: here the library would look for a file of roots of its own."""


class Forwarding:
    """Forwards to ``gateway``, a URL that no client has a say in.

    One with TLS is verified by the roots of this machine as they are now.
    """

    def __init__(self, gateway: str, counts: Counts) -> None:
        self._gateway = gateway
        self._counts = counts
        # And not create_default_context, to which the environment can say where keys are written.
        self._roots = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._roots.load_default_certs()

    def routes(self) -> tuple[Route, ...]:
        """The only thing that a relay answers."""
        return (
            Route(
                method="POST",
                path=PATH,
                media_type=OHTTP_REQUEST_MEDIA_TYPE,
                limit=MAX_ENCAPSULATED_REQUEST,
                answer=self.forward,
            ),
        )

    def forward(self, asked: Asked) -> Answer:
        """The gateway's answer to ``asked``. Raises RefusalError where it gives none."""
        try:
            status, media_type, body = self._exchange(asked.body)
        except requests.RequestException:
            self._counts.add("gateway_silent")
            raise _refused(HTTPStatus.GATEWAY_TIMEOUT, "gateway-silent", "none") from None
        if status == HTTPStatus.OK and media_type == OHTTP_RESPONSE_MEDIA_TYPE and body:
            return Answer(HTTPStatus.OK, OHTTP_RESPONSE_MEDIA_TYPE, body)
        if media_type == PROBLEM_MEDIA_TYPE and _is_key_problem(body):
            self._counts.add("key_refusals")
            raise RefusalError(
                HTTPStatus.BAD_REQUEST,
                KEY_PROBLEM,
                "key configuration",
                expected="one that the gateway has",
                got="another",
            )
        self._counts.add("gateway_refusals")
        raise _refused(HTTPStatus.BAD_GATEWAY, "gateway-refused", "something else")

    def _exchange(self, body: bytes) -> tuple[int, str, bytes | None]:
        """Status, media type and body of the answer; no body if it is too long or encoded."""
        with requests.Session() as session:
            # Neither the environment nor the library adds anything of its own.
            session.trust_env = False
            session.headers.clear()
            session.mount("https://", _Verifying(self._roots))
            with session.post(
                self._gateway,
                data=body,
                headers=_FIELDS,
                timeout=GATEWAY_SECONDS,
                stream=True,
                allow_redirects=False,
            ) as response:
                if "Content-Encoding" in response.headers:
                    return response.status_code, "", None  # the library would decode it
                content = bytearray()
                for part in response.iter_content(_CHUNK):
                    content += part
                    if len(content) > MAX_ENCAPSULATED_RESPONSE:
                        return response.status_code, "", None
                media_type = response.headers.get("Content-Type", "")
                return response.status_code, media_type, bytes(content)


def _is_key_problem(body: bytes | None) -> bool:
    try:
        document = parse_json(body or b"", what="problem")
    except ParseError:
        return False
    return type(document) is dict and document.get("type") == KEY_PROBLEM


def _refused(status: HTTPStatus, kind: str, got: str) -> RefusalError:
    expected = f"200 with {OHTTP_RESPONSE_MEDIA_TYPE}"
    return RefusalError(status, kind, "answer of the gateway", expected=expected, got=got)
