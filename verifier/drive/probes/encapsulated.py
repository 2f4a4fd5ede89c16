"""Recorded encapsulations, opened with the gateway's own key once it has been handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.drive.probes.exchanges import Exchange
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json
from verifier.wire.ohttp import (
    SECRET_SIZE,
    GatewayKey,
    ResponseOpener,
    gateway_key,
    open_request,
)
from verifier.wire.ohttp_keys import OhttpKey
from verifier.wire.tunnel import (
    ContinueTunnel,
    OpenTunnel,
    TunnelRequest,
    parse_tunnel_request,
)
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelReply, parse_tunnel_answer

__all__ = [
    "GATEWAY",
    "Opened",
    "Stream",
    "TunnelStreams",
    "open_answer",
    "open_exchanges",
    "parse_gateway_secret",
    "tunnel_streams",
]

GATEWAY = "gateway"
"""Whose secret it is, in ``Lab.secrets_of_roles``."""

_WHAT = "gateway's secret"


@dataclass(frozen=True, slots=True)
class Opened:
    """One exchange of a tunnel as its gateway read and wrote it; ``sealed`` is the request's."""

    sealed: bytes
    request: TunnelRequest
    reply: TunnelReply


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes that one tunnel carried to its CVM and back."""

    there: bytes
    back: bytes


TunnelStreams = Mapping[bytes, Stream]
"""By the identifier of the tunnel."""


def parse_gateway_secret(raw: bytes, *, logged: Sequence[OhttpKey]) -> GatewayKey:
    """Read a gateway's key file, whose public half must be one of the ``logged`` keys.

    Raises ParseError, and VerificationError for a secret of another key.
    """
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    key_id = document.integer("keyId", maximum=255)
    secret = document.hex("secret", size=SECRET_SIZE)
    document.end()
    for key in logged:
        if key.key_id == key_id:
            own = gateway_key(key_id=key_id, secret=secret, suites=key.suites)
            if own.public.public_key == key.public_key:
                return own
    raise VerificationError(_WHAT, expected="of a logged key", got=f"of another, with id {key_id}")


def open_exchanges(exchanges: Sequence[Exchange], key: GatewayKey) -> tuple[Opened, ...]:
    """Open what was recorded between relay and gateway.

    Raises VerificationError and ParseError for what does not open or says something else.
    """
    return tuple(
        _opened(each.request.body, each.answer.body, key) for each in exchanges if each.request.body
    )


def open_answer(sealed: bytes, answer: bytes, key: GatewayKey) -> TunnelReply:
    """What a gateway answered to the ``sealed`` request. Raises as ``open_exchanges``."""
    return _opened(sealed, answer, key).reply


def tunnel_streams(opened: Sequence[Opened]) -> TunnelStreams:
    """What each tunnel carried, in its order; a request that was sent again counts once.

    Raises FetchError where the opening of a tunnel was not recorded.
    """
    streams: dict[bytes, Stream] = {}
    places: dict[bytes, int] = {}
    for each in opened:
        if not isinstance(each.reply, TunnelAnswer):
            continue
        tunnel = each.reply.tunnel
        if isinstance(each.request, OpenTunnel):
            streams[tunnel] = Stream(each.request.records, each.reply.records)
            places[tunnel] = 0
        elif isinstance(each.request, ContinueTunnel):
            if places.get(tunnel) == each.request.sequence:
                continue
            if places.get(tunnel) != each.request.sequence - 1:
                expected, got = "every request of a tunnel", f"number {each.request.sequence} alone"
                raise FetchError("recording of tunnels", expected=expected, got=got)
            past = streams[tunnel]
            streams[tunnel] = Stream(
                past.there + each.request.records, past.back + each.reply.records
            )
            places[tunnel] = each.request.sequence
    return streams


def _opened(sealed: bytes, answer: bytes, key: GatewayKey) -> Opened:
    request, sealer = open_request((key,), sealed)
    # Both ends of an exchange have the same secrets, so the gateway's opens its own answer too.
    reply = ResponseOpener(sealer.exchange).open_response(answer)
    try:
        return Opened(sealed, parse_tunnel_request(request), parse_tunnel_answer(reply))
    except ParseError as error:
        what = "encapsulated message"
        raise VerificationError(what, expected=error.expected, got=str(error)) from None
