"""A node from start to service: own report, own release, key, port; the same in and out of a guest.

Whatever is not as the guest policy wants it ends the start, and nothing is served.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.node.application import Application
from pipeline.node.channel import Channel
from pipeline.node.counters import Counters
from pipeline.node.evidence_source import EvidenceSource
from pipeline.node.guest_policy import GuestPolicy
from pipeline.node.own_release import open_own_release
from pipeline.node.server import Server
from pipeline.node.tls import make_context, make_identity
from verifier.errors import AuditError
from verifier.release.dsse import MAX_ENVELOPE
from verifier.tlog.proof import MAX_PROOF_SIZE

__all__ = ["READY", "Handover", "prepare", "receive_handover", "refusal_line", "run"]

READY = "READY\n"
"""What a node says when it serves. Only for waiting: nothing may trust it."""

_HANDOVER_TIMEOUT = 60.0  # seconds
_BACKLOG = 64
_REASON_MAX = 400


@dataclass(frozen=True, slots=True)
class Handover:
    """What the host hands over: a release entry and its proof, believed by no one."""

    entry: bytes
    proof: bytes


def receive_handover(channel: Channel) -> Handover:
    """Read both from the host, each behind its length. Raises FetchError and ParseError."""
    deadline = time.monotonic() + _HANDOVER_TIMEOUT
    entry = channel.receive_field(fewest=1, most=MAX_ENVELOPE, deadline=deadline)
    proof = channel.receive_field(fewest=1, most=MAX_PROOF_SIZE, deadline=deadline)
    return Handover(entry, proof)


def prepare(*, policy: GuestPolicy, source: EvidenceSource, handover: Handover) -> Server:
    """Everything that must hold before the first connection. Raises AuditError.

    The question for the own report is random, so that an old answer shows.
    """
    own = source.fetch_evidence(secrets.token_bytes(64))
    own_release = open_own_release(
        entry=handover.entry, proof=handover.proof, policy=policy, report=own.report
    )
    identity = make_identity(policy.role)
    counters = Counters()
    application = Application(
        source=source,
        own_release=own_release,
        spki_sha256=identity.spki_sha256,
        counters=counters,
    )
    return Server(context=make_context(identity), application=application, counters=counters)


def run(server: Server, *, address: tuple[str, int], announce: Callable[[str], None]) -> None:
    """Listen, say so, and serve until the end of the machine. Raises OSError.

    Where the port was left to the system (0), a line says which one it is before ``READY``.
    """
    with socket.create_server(address, backlog=_BACKLOG) as listener:
        if address[1] == 0:
            host, port = listener.getsockname()[:2]
            announce(f"LISTENING {host}:{port}\n")
        announce(READY)
        server.serve(listener)


def refusal_line(error: AuditError) -> str:
    """Why a node does not serve, as one line of printable ASCII."""
    reason = str(error).encode("ascii", "backslashreplace").decode("ascii")
    printable = "".join(c if " " <= c <= "~" else " " for c in reason)
    return f"REFUSED {printable[:_REASON_MAX]}\n"
