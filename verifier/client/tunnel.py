"""A transport through relay and gateway: TLS records of a CVM inside Oblivious HTTP.

Nothing goes anywhere but to the relay, and nothing to it in the open. What is to be sent waits for
the next ``receive``: so the end of a handshake travels with what follows it, and each exchange with
the gateway has an answer to wait for. Source: docs/spec/private-path.md, "The tunnel".
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from verifier.client.deadline import Deadline
from verifier.client.http import Answer
from verifier.client.web import Url, ask
from verifier.errors import AuditError, FetchError, ParseError, VerificationError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_json
from verifier.wire.ohttp import SECRET_SIZE, encapsulate_request
from verifier.wire.ohttp_keys import OhttpKey
from verifier.wire.ohttp_media import (
    KEY_PROBLEM,
    MAX_ENCAPSULATED_RESPONSE,
    OHTTP_REQUEST_MEDIA_TYPE,
    OHTTP_RESPONSE_MEDIA_TYPE,
)
from verifier.wire.token import Token
from verifier.wire.tunnel import (
    MAX_RECORDS,
    MAX_SEQUENCE,
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    TunnelRequest,
    encode_tunnel_request,
)
from verifier.wire.tunnel_answer import (
    PROBLEM_MEDIA_TYPE,
    TunnelClosed,
    TunnelProblem,
    TunnelReply,
    parse_tunnel_answer,
)

__all__ = ["GatewayPlace", "KeyRefusedError", "TokenRefusedError", "TunnelTransport"]

_TRIES = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0  # seconds
_OK, _BAD_REQUEST = 200, 400
_LOST = frozenset((502, 504))  # of a relay that had no answer from its gateway
_NOT_OURS = frozenset((400, 409))  # of a gateway that says that this client speaks wrongly
_ENDED, _REFUSED = 410, 401


class KeyRefusedError(VerificationError):
    """The gateway does not have the key that everyone is given."""


class TokenRefusedError(VerificationError):
    """The gateway does not take the token: it is for something else, or was spent before."""


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where a gateway is: behind ``relay``, called ``authority``, with ``key``, which is logged."""

    relay: Url
    authority: str
    key: OhttpKey


class TunnelTransport:
    """One tunnel, opened with ``token`` when there is something to send. Not safe under threads.

    Raises FetchError where relay, gateway or CVM do not answer, TokenRefusedError, KeyRefusedError,
    and VerificationError or ParseError for what no honest gateway says.
    """

    def __init__(self, place: GatewayPlace, token: Token) -> None:
        self._place = place
        self._token = token
        self._tunnel: bytes | None = None
        self._sequence = 0
        self._waiting = bytearray()  # to be sent
        self._arrived = bytearray()
        self._ended = False

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        """As ``Transport``: taken now, and carried with the next ``receive``."""
        deadline.left("tunnel")
        self._waiting += content

    def receive(self, *, deadline: Deadline) -> bytes:
        """As ``Transport``. The gateway is asked again and again, ever more slowly."""
        pause = _FIRST_PAUSE
        while True:
            while self._waiting and not self._ended:
                self._carry(deadline)
            if self._arrived or self._ended:
                arrived = bytes(self._arrived)
                self._arrived.clear()
                return arrived
            asked = time.monotonic()
            self._carry(deadline)
            if not self._arrived and not self._ended:
                waited = time.monotonic() - asked
                # A gateway waits for the CVM itself; one that does not must not be asked in vain.
                time.sleep(min(max(0.0, pause - waited), deadline.left("CVM")))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self, *, deadline: Deadline) -> None:
        """As ``Transport``. Past ``deadline`` nothing is sent; the gateway finds out itself."""
        tunnel, self._tunnel, self._ended = self._tunnel, None, True
        self._waiting.clear()
        self._arrived.clear()
        if tunnel is not None:
            with contextlib.suppress(AuditError):
                self._asked(CloseTunnel(self._place.authority, tunnel), deadline)

    def _carry(self, deadline: Deadline) -> None:
        """One exchange with the gateway."""
        records = bytes(self._waiting[:MAX_RECORDS])
        authority = self._place.authority
        if self._tunnel is None:
            reply = self._asked(OpenTunnel(authority, self._token, records), deadline)
        else:
            if self._sequence == MAX_SEQUENCE:
                expected = f"at most {MAX_SEQUENCE} requests"
                raise FetchError("tunnel", expected=expected, got="one more")
            following = ContinueTunnel(authority, self._tunnel, self._sequence + 1, records)
            reply = self._asked_again(following, deadline)
            self._sequence += 1
        self._take(reply)
        del self._waiting[: len(records)]

    def _take(self, reply: TunnelReply) -> None:
        if isinstance(reply, TunnelProblem):
            if reply.status != _ENDED:
                raise _refusal(reply)
            self._ended = True
            return
        if isinstance(reply, TunnelClosed):
            expected = "bytes of the CVM"
            raise VerificationError("answer of the gateway", expected=expected, got="an end")
        if self._tunnel is None:
            self._tunnel = reply.tunnel
        elif reply.tunnel != self._tunnel:
            expected, got = self._tunnel.hex(), reply.tunnel.hex()
            raise VerificationError("tunnel of the answer", expected=expected, got=got)
        self._arrived += reply.records

    def _asked_again(self, request: ContinueTunnel, deadline: Deadline) -> TunnelReply:
        """As ``_asked``, and again after a lost answer: the same number gives the same answer."""
        pause = _FIRST_PAUSE
        for _ in range(_TRIES - 1):
            try:
                return self._asked(request, deadline)
            except FetchError:
                if deadline.at - time.monotonic() <= pause:
                    raise
            time.sleep(pause)
            pause *= 10
        return self._asked(request, deadline)

    def _asked(self, request: TunnelRequest, deadline: Deadline) -> TunnelReply:
        deadline.left("relay")
        raw = encode_tunnel_request(request)
        ephemeral = secrets.token_bytes(SECRET_SIZE)
        sealed, opener = encapsulate_request(self._place.key, raw, ephemeral=ephemeral)
        answer = ask(
            self._place.relay,
            sealed,
            media_type=OHTTP_REQUEST_MEDIA_TYPE,
            limit=MAX_ENCAPSULATED_RESPONSE,
            deadline=deadline,
        )
        return parse_tunnel_answer(opener.open_response(_encapsulated(answer)))


def _encapsulated(answer: Answer) -> bytes:
    if answer.status == _OK and answer.media_type == OHTTP_RESPONSE_MEDIA_TYPE:
        return answer.content
    if answer.status == _BAD_REQUEST and _is_key_problem(answer):
        expected, got = "the key that is logged", "the gateway has another"
        raise KeyRefusedError("key configuration", expected=expected, got=got)
    what, expected = "answer of the relay", f"200 with {OHTTP_RESPONSE_MEDIA_TYPE}"
    if answer.status in _LOST:
        got = f"status {answer.status}: the gateway does not answer it"
        raise FetchError(what, expected=expected, got=got)
    got = f"status {answer.status} with {excerpt(answer.media_type)}"
    raise FetchError(what, expected=expected, got=got)


def _is_key_problem(answer: Answer) -> bool:
    if answer.media_type != PROBLEM_MEDIA_TYPE:
        return False
    try:
        document = JsonObject(parse_json(answer.content, what="problem"), what="problem")
        return document.has("type") and document.take("type") == KEY_PROBLEM
    except ParseError:
        return False


def _refusal(problem: TunnelProblem) -> AuditError:
    """A gateway's words are foreign text, and say nothing but what it wants to say."""
    error: Callable[..., AuditError] = FetchError
    if problem.status == _REFUSED:
        error = TokenRefusedError
    elif problem.status in _NOT_OURS:
        error = VerificationError
    got = f"status {problem.status}: {excerpt(problem.what)}: {excerpt(problem.got)}"
    return error("gateway", expected=excerpt(problem.expected), got=got)
