"""A node that shows the evidence of another one: genuine, fresh, for the very nonce, and not its.

``--other HOST:PORT`` is the node whose evidence it shows.
"""

from __future__ import annotations

import sys

from pipeline.node import node
from pipeline.node.application import Application, Peer
from pipeline.node.cli import main
from pipeline.node.http import Answer
from tests.pipeline.node.guests import Client
from verifier.wire.attested_tls import EVIDENCE_MEDIA_TYPE, EVIDENCE_PATH, NONCE_MEDIA_TYPE

__all__ = ["corrupt"]


class RelayingApplication(Application):
    """Asks the other node whatever it is asked itself."""

    other = ("", 0)

    def _evidence(self, body: bytes, peer: Peer) -> Answer:
        own = super()._evidence(body, peer)  # so that it could open what is sealed to its own key
        with Client(self.other) as client:
            shown = client.ask("POST", EVIDENCE_PATH, body, NONCE_MEDIA_TYPE)
        return Answer(own.status, EVIDENCE_MEDIA_TYPE, shown.body, own.fields)


def corrupt(other: tuple[str, int]) -> None:
    """Let the node of this process be the twin."""
    RelayingApplication.other = other
    vars(node)["Application"] = RelayingApplication


def run(arguments: list[str]) -> int:
    """As ``main``, with an option more."""
    place = arguments.index("--other")
    host, _, port = arguments[place + 1].rpartition(":")
    corrupt((host, int(port)))
    return main(arguments[:place] + arguments[place + 2 :])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
