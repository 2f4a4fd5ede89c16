"""A relay that writes down who sent which sealed bytes."""

from __future__ import annotations

from pipeline.relay import cli
from pipeline.relay.forwarding import Forwarding
from pipeline.role.exchange import Asked
from pipeline.role.problem import Answer
from tests.evil.seeing import client_of, see

__all__ = ["corrupt"]


class WritingForwarding(Forwarding):
    """Adds a line to the log of the role for every request."""

    def forward(self, asked: Asked) -> Answer:
        self._counts._write({"client": asked.authorization, "body": asked.body.hex()})
        return super().forward(asked)


def corrupt() -> None:
    """Let the relay of this process be the twin."""
    see(client_of)
    vars(cli)["Forwarding"] = WritingForwarding


if __name__ == "__main__":
    corrupt()
    cli.main()
