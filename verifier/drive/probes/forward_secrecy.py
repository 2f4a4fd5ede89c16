"""Recorded traffic stays closed when every long-lived key is handed over afterwards.

Two sessions are recorded and ended; then the roles hand over their keys. The gateway's key opens
the recorded encapsulations, which shows that it is the key and that the recording is whole; inside
must be TLS 1.3 whose keys were agreed on with fresh shares, never with a secret of before, and
nothing in the open: no word of the client, no HTTP.

A pass does not show that the two ends forgot the keys of their session, or that a CVM's randomness
is good: the first the measured code has to do, the second its processor. The issuer's key signs
tokens and opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.canaries import Canary, Hay, make_canary
from verifier.drive.probes.canary import send_words
from verifier.drive.probes.encapsulated import TunnelStreams, open_exchanges, tunnel_streams
from verifier.drive.probes.exchanges import read_exchanges
from verifier.drive.probes.keys import handed_over
from verifier.drive.probes.tls_hello import verify_hellos
from verifier.drive.probes.watching import Watch, without_session_no_finding
from verifier.errors import FetchError, VerificationError

__all__ = ["CHECK", "judge_streams", "probe_forward_secrecy"]

CHECK = "drive.path.forward_secrecy"

_HOP = "relay-gateway"
_SESSIONS = 2
_HTTP = b"HTTP/1."


def probe_forward_secrecy(lab: Lab) -> Mapping[str, Seen]:
    """Record, then open; nothing where the hops are not watched, or no key is handed over."""
    if not lab.is_watched or lab.secrets_of_roles is None:
        return {}
    return {CHECK: attempt(lambda: _opened(lab))}


def judge_streams(streams: TunnelStreams, canary: Canary) -> str:
    """What the opened tunnels carried, in words.

    Raises VerificationError for words or HTTP in the open, for TLS whose keys are not fresh, and
    ParseError for what is no TLS; FetchError if there is nothing to look at.
    """
    shares: set[bytes] = set()
    groups: set[str] = set()
    records: list[int] = []
    for number, stream in enumerate(streams.values()):
        for way, content in (("there", stream.there), ("back", stream.back)):
            _require_closed(canary, Hay(f"tunnel {number}, {way}", content))
        agreement = verify_hellos(stream.there, stream.back)
        for share in (agreement.client_share, agreement.server_share):
            if share in shares:
                expected, got = "a new one in each session", "one of another session"
                raise VerificationError("key share", expected=expected, got=got)
            shares.add(share)
        groups.add(agreement.group_name)
        records.append(agreement.protected)
    if len(streams) < _SESSIONS or 0 in records:
        got = f"{len(streams)} with {' and '.join(map(str, records)) or 'no'} protected records"
        expected = f"{_SESSIONS} tunnels or more, each with records"
        raise FetchError(f"recording of {_HOP}", expected=expected, got=got)
    return (
        f"{len(streams)} tunnels carry TLS 1.3 alone, {sum(records)} protected records, with fresh "
        f"keys of {', '.join(sorted(groups))}"
    )


def _require_closed(canary: Canary, hay: Hay) -> None:
    found = canary.find(hay)
    if found is not None:
        raise VerificationError("opened tunnel", expected="no word of the client", got=str(found))
    offset = hay.content.find(_HTTP)
    if offset >= 0:
        got = f"{hay.place}, offset {offset}: {_HTTP.decode('ascii')}"
        raise VerificationError("opened tunnel", expected="no HTTP in the open", got=got)


def _opened(lab: Lab) -> Done:
    canary, watch = make_canary(), Watch(lab)
    with without_session_no_finding(), lab.new_client() as client:
        for _ in range(_SESSIONS):
            send_words(client, canary)
            client.close()
    recorded = read_exchanges(watch.seen(_HOP), what=_HOP)
    opened = open_exchanges(recorded, handed_over(lab))
    words = judge_streams(tunnel_streams(opened), canary)
    return Done(f"the gateway's key opens {len(opened)} recorded requests and answers; {words}")
