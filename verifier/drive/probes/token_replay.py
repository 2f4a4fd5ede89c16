"""A token that is spent twice, and an encapsulated request that is sent twice: both are refused.

The bytes with which a client opened its tunnel are sent to the relay once more while the tunnel is
open, and again after it was closed; then the very token in a new request. What the gateway answered
is read with its key, once that has been handed over. A pass does not show that the list of spent
tokens outlives the gateway: that is for a test which kills it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.deadline import Deadline
from verifier.client.web import ask, parse_url
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.encapsulated import Opened, open_answer, open_exchanges
from verifier.drive.probes.exchanges import read_exchanges
from verifier.drive.probes.keys import handed_over
from verifier.drive.probes.watching import Watch, without_session_no_finding
from verifier.errors import FetchError, VerificationError
from verifier.tlog.strict import excerpt
from verifier.wire.ohttp import SECRET_SIZE, GatewayKey, encapsulate_request
from verifier.wire.ohttp_media import (
    MAX_ENCAPSULATED_RESPONSE,
    OHTTP_REQUEST_MEDIA_TYPE,
    OHTTP_RESPONSE_MEDIA_TYPE,
)
from verifier.wire.tunnel import OpenTunnel, encode_tunnel_request
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelProblem, TunnelReply

__all__ = ["CHECK", "REFUSED", "judge_replay", "probe_token_replay"]

CHECK = "drive.path.token_replay"

REFUSED = 401
"""The status with which a gateway refuses a token."""

_HOP = "client-relay"
_SECONDS = 30.0


def probe_token_replay(lab: Lab) -> Mapping[str, Seen]:
    """Send them twice; nothing where the hops are not watched, or no key is handed over."""
    if not lab.is_watched or lab.secrets_of_roles is None:
        return {}
    return {CHECK: attempt(lambda: _replayed(lab))}


def judge_replay(first: TunnelReply, again: Mapping[str, TunnelReply]) -> str:
    """That ``first`` opened a tunnel and none of ``again`` did, in words.

    Raises VerificationError for one that did; FetchError if the first did not, or for an answer
    that says nothing of the token.
    """
    if not isinstance(first, TunnelAnswer):
        got = _shown(first)
        raise FetchError("the first use of a token", expected="a tunnel", got=got)
    for how, reply in again.items():
        if isinstance(reply, TunnelAnswer):
            expected, got = f"refused with {REFUSED}", "a tunnel"
            raise VerificationError(f"a spent token, {how}", expected=expected, got=got)
        if not isinstance(reply, TunnelProblem) or reply.status != REFUSED:
            expected, got = f"an answer with {REFUSED}", _shown(reply)
            raise FetchError(f"a spent token, {how}", expected=expected, got=got)
    return f"refused with {REFUSED}: a spent token {'; '.join(again)}"


def _replayed(lab: Lab) -> Done:
    watch = Watch(lab)
    with lab.new_client() as client:
        with without_session_no_finding():
            client.connect()
        opening = read_exchanges(watch.seen(_HOP), what=_HOP)[:1]
        if not opening:
            raise FetchError(f"recording of {_HOP}", expected="an opened tunnel", got="nothing")
        sealed = opening[0].request.body
        while_open = _posted(lab, sealed)
    after = _posted(lab, sealed)
    key = handed_over(lab)
    (opened,) = open_exchanges(opening, key)
    again = {
        "in the same bytes while its tunnel is open": open_answer(sealed, while_open, key),
        "in the same bytes after its tunnel was closed": open_answer(sealed, after, key),
        "in a new request": _spent_again(lab, opened, key),
    }
    return Done(judge_replay(opened.reply, again))


def _spent_again(lab: Lab, opened: Opened, key: GatewayKey) -> TunnelReply:
    if not isinstance(opened.request, OpenTunnel):
        got = type(opened.request).__name__
        raise FetchError("first request of a client", expected="an opening", got=got)
    raw = encode_tunnel_request(opened.request)
    ephemeral = secrets.token_bytes(SECRET_SIZE)
    sealed, _ = encapsulate_request(key.public, raw, ephemeral=ephemeral)
    return open_answer(sealed, _posted(lab, sealed), key)


def _posted(lab: Lab, sealed: bytes) -> bytes:
    host, port = lab.taps[_HOP].address
    answer = ask(
        parse_url(f"http://{host}:{port}/", what="relay"),
        sealed,
        media_type=OHTTP_REQUEST_MEDIA_TYPE,
        limit=MAX_ENCAPSULATED_RESPONSE,
        deadline=Deadline.after(_SECONDS),
    )
    if (answer.status, answer.media_type) != (200, OHTTP_RESPONSE_MEDIA_TYPE):
        expected = f"200 with {OHTTP_RESPONSE_MEDIA_TYPE}"
        raise FetchError("answer of the relay", expected=expected, got=f"status {answer.status}")
    return answer.content


def _shown(reply: TunnelReply) -> str:
    if isinstance(reply, TunnelProblem):
        return f"status {reply.status}: {excerpt(reply.got)}"
    return type(reply).__name__
