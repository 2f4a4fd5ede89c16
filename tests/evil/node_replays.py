"""A node that answers every question for evidence with what it once got for a session of its own.

The report is genuine, and so are its signature, its release and its proof; only the session that it
binds is another.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from pipeline.node import node
from pipeline.node.application import Application, Peer
from pipeline.node.cli import main
from pipeline.node.http import Answer
from pipeline.node.sealing import Seals
from verifier.wire.attested_tls import EXPORTER_SIZE, NONCE_SIZE
from verifier.wire.workload.backend import Session

__all__ = ["corrupt"]


class ReplayingApplication(Application):
    """Keeps one answer, and the key that would open what is sealed to it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        exporter = os.urandom(EXPORTER_SIZE)
        self._old = Peer(lambda _nonce: exporter, Session(), Seals())
        self._kept = super()._evidence(os.urandom(NONCE_SIZE), self._old)

    def _evidence(self, _body: bytes, _peer: Peer) -> Answer:
        return self._kept


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(node)["Application"] = ReplayingApplication


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
