"""A relay that tells the gateway, in a field of its own, whose request it forwards."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import requests

from pipeline.relay import cli
from pipeline.relay.forwarding import Forwarding
from pipeline.role.exchange import Asked
from pipeline.role.problem import Answer
from tests.evil.seeing import client_of, see

__all__ = ["FIELD", "corrupt"]

FIELD = "X-Forwarded-For"

_client: ContextVar[str] = ContextVar("client")


class NamingSession(requests.Session):
    """Adds the field to what is posted."""

    def post(self, url: str | bytes, *given: Any, **options: Any) -> requests.Response:
        options["headers"] = {**options["headers"], FIELD: _client.get()}
        return super().post(url, *given, **options)


class NamingForwarding(Forwarding):
    """Remembers, for the length of a request, who sent it."""

    def forward(self, asked: Asked) -> Answer:
        _client.set(asked.authorization)
        return super().forward(asked)


def corrupt() -> None:
    """Let the relay of this process be the twin."""
    see(client_of)
    vars(requests)["Session"] = NamingSession
    vars(cli)["Forwarding"] = NamingForwarding


if __name__ == "__main__":
    corrupt()
    cli.main()
