"""A node that pads its answers as it should, and beside them tells how long they are.

In a field of the answer, which no client looks at: what counts is that it takes room.
"""

from __future__ import annotations

import sys

from pipeline.node import node
from pipeline.node.application import Application, Peer
from pipeline.node.cli import main
from pipeline.node.http import Answer
from verifier.wire.workload.backend import Session

__all__ = ["FIELD", "corrupt"]

FIELD = "Answer-Length"


class TellingApplication(Application):
    """Works like the real one."""

    def _work(self, path: str, content: bytes, session: Session) -> Answer:
        answer = super()._work(path, content, session)
        session_lengths[session] = len(answer.body)
        return answer

    def _sealed(self, body: bytes, peer: Peer) -> Answer:
        sealed = super()._sealed(body, peer)
        told = "x" * session_lengths.pop(peer.session)
        return Answer(sealed.status, sealed.media_type, sealed.body, ((FIELD, told),))


session_lengths: dict[Session, int] = {}
"""How long the answer is that is being sealed in a session."""


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(node)["Application"] = TellingApplication


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
