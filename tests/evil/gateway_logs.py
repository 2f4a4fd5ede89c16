"""A gateway that writes down what it finds in every encapsulation: tokens and sealed records."""

from __future__ import annotations

from pipeline.gateway import cli
from pipeline.gateway.answering import Gateway
from verifier.wire.tunnel_answer import TunnelReply

__all__ = ["corrupt"]


class WritingGateway(Gateway):
    """Adds a line to the log of the role for every request."""

    def reply(self, raw: bytes) -> TunnelReply:
        self._counts._write({"inner": raw.hex()})
        return super().reply(raw)


def corrupt() -> None:
    """Let the gateway of this process be the twin."""
    vars(cli)["Gateway"] = WritingGateway


if __name__ == "__main__":
    corrupt()
    cli.main()
