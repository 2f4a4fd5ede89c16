"""What a gateway answers: opens the encapsulation, takes the token, carries records.

What is wrong with the encapsulation itself is said in the open; everything else inside the
response, which only the client can read (RFC 9458 section 5.2).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http import HTTPStatus

from pipeline.gateway.spent import SpentTokens
from pipeline.gateway.tunnels import TunnelEndedError, Tunnels, TunnelsFullError
from pipeline.role.counts import Counts
from pipeline.role.exchange import Asked, Route
from pipeline.role.problem import Answer, RefusalError
from verifier.errors import (
    AuditError,
    FetchError,
    ParseError,
    UnsupportedError,
    VerificationError,
)
from verifier.wire.ohttp import GatewayKey, open_request
from verifier.wire.ohttp_media import (
    KEY_PROBLEM,
    MAX_ENCAPSULATED_REQUEST,
    OHTTP_REQUEST_MEDIA_TYPE,
    OHTTP_RESPONSE_MEDIA_TYPE,
)
from verifier.wire.token import verify_token
from verifier.wire.token_challenge import (
    OfferedChallenge,
    TokenChallenge,
    encode_offered_challenge,
)
from verifier.wire.token_key import TokenKey
from verifier.wire.tunnel import (
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    TunnelRequest,
    parse_tunnel_request,
)
from verifier.wire.tunnel_answer import (
    TunnelAnswer,
    TunnelClosed,
    TunnelProblem,
    TunnelReply,
    encode_tunnel_answer,
)

__all__ = ["COUNTED", "PATH", "Gateway", "TokenRules"]

COUNTED = (
    "cvm_ended",
    "cvm_unreached",
    "keys_unknown",
    "requests_malformed",
    "sequences_refused",
    "tokens_refused",
    "tunnels_closed",
    "tunnels_full",
    "tunnels_opened",
    "tunnels_unknown",
)
"""What a gateway counts besides what every role does."""

PATH = "/"
"""Where relays send to."""

_TEXT = 512  # characters of each text of a problem
_COUNT_OF = {
    400: "requests_malformed",
    401: "tokens_refused",
    404: "tunnels_unknown",
    409: "sequences_refused",
    410: "cvm_ended",
    429: "tunnels_full",
    502: "cvm_unreached",
}


class TokenRules:
    """Which tokens are taken: signed by ``key``, for ``challenge``, not spent."""

    def __init__(self, key: TokenKey, challenge: TokenChallenge, spent: SpentTokens) -> None:
        self._keys = (key,)
        self._challenge = challenge
        self._spent = spent
        offered = OfferedChallenge(challenge, key, max_age=None)
        self.offered = encode_offered_challenge(offered)
        """What ``WWW-Authenticate`` says, the same to everybody."""

    def spend(self, request: OpenTunnel) -> None:
        """Take the token of ``request``. Raises VerificationError."""
        authentic = verify_token(request.token, keys=self._keys, challenge=self._challenge)
        self._spent.spend(authentic)


class Gateway:
    """Answers for ``authority``, the only one that requests inside may name."""

    def __init__(
        self,
        *,
        authority: str,
        keys: tuple[GatewayKey, ...],
        tokens: TokenRules,
        tunnels: Tunnels,
        counts: Counts,
    ) -> None:
        self._authority = authority
        self._keys = keys
        self._tokens = tokens
        self._tunnels = tunnels
        self._counts = counts

    def routes(self) -> Sequence[Route]:
        """The only thing that a gateway answers."""
        return (
            Route(
                method="POST",
                path=PATH,
                media_type=OHTTP_REQUEST_MEDIA_TYPE,
                limit=MAX_ENCAPSULATED_REQUEST,
                answer=self.answer,
            ),
        )

    def answer(self, asked: Asked) -> Answer:
        """The encapsulated response. Raises RefusalError for what cannot be opened."""
        try:
            request, sealer = open_request(self._keys, asked.body)
        except UnsupportedError as error:
            self._counts.add("keys_unknown")
            raise _refused(KEY_PROBLEM, error) from None
        except (ParseError, VerificationError) as error:
            self._counts.add("requests_malformed")
            raise _refused("encapsulation", error) from None
        reply = encode_tunnel_answer(self.reply(request))
        sealed = sealer.seal_response(reply, nonce=secrets.token_bytes(sealer.nonce_size()))
        return Answer(HTTPStatus.OK, OHTTP_RESPONSE_MEDIA_TYPE, sealed)

    def reply(self, raw: bytes) -> TunnelReply:
        """What is answered to a binary request."""
        try:
            request = parse_tunnel_request(raw)
        except ParseError as error:
            return self._problem(400, error)
        except UnsupportedError as error:  # another kind of token
            return self._problem(401, error)
        if request.authority != self._authority:
            what, expected = "authority of the tunnel request", self._authority
            return self._problem(400, ParseError(what, expected=expected, got=request.authority))
        return self._carry(request)

    def _carry(self, request: TunnelRequest) -> TunnelReply:
        try:
            if isinstance(request, OpenTunnel):
                return self._open(request)
            if isinstance(request, ContinueTunnel):
                return self._go_on(request)
            return self._close(request)
        except KeyError:
            expected, got = "one that is open", "another"
            return self._problem(404, FetchError("tunnel", expected=expected, got=got))
        except TunnelEndedError as error:
            return self._problem(410, error)

    def _open(self, request: OpenTunnel) -> TunnelReply:
        try:
            self._tunnels.require_room()
            self._tokens.spend(request)
        except TunnelsFullError as error:
            return self._problem(429, error)
        except VerificationError as error:
            return self._problem(401, error)
        try:
            tunnel, records = self._tunnels.open(request.records)
        except TunnelEndedError:
            raise
        except FetchError as error:
            return self._problem(502, error)
        self._counts.add("tunnels_opened")
        return TunnelAnswer(tunnel.identifier, records)

    def _go_on(self, request: ContinueTunnel) -> TunnelReply:
        try:
            records = self._tunnels.find(request.tunnel).go_on(request)
        except TunnelsFullError as error:
            return self._problem(429, error)
        except VerificationError as error:
            return self._problem(409, error)
        return TunnelAnswer(request.tunnel, records)

    def _close(self, request: CloseTunnel) -> TunnelReply:
        self._tunnels.close(request.tunnel)
        self._counts.add("tunnels_closed")
        return TunnelClosed()

    def _problem(self, status: int, error: AuditError) -> TunnelProblem:
        self._counts.add(_COUNT_OF[status])
        return TunnelProblem(
            status=status,
            what=_printable(error.what),
            expected=_printable(error.expected),
            got=_printable(error.got),
            challenge=self._tokens.offered if status == HTTPStatus.UNAUTHORIZED else "",
        )


def _printable(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")[:_TEXT]


def _refused(kind: str, error: AuditError) -> RefusalError:
    status = HTTPStatus.BAD_REQUEST
    return RefusalError(status, kind, error.what, expected=error.expected, got=error.got)
