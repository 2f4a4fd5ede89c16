"""A key CDN that gives its configurations to some clients in another order.

Clients use the first key of each kind. Where two of a gateway are logged, the chosen ones use
another than everybody else, and every proof still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.keycdn import cli
from pipeline.keycdn.serving import key_route
from pipeline.role.exchange import Asked, Route
from pipeline.role.problem import Answer
from tests.evil.seeing import client_of, see

__all__ = ["EVERYBODY", "corrupt"]

EVERYBODY = "127.0.0.1"
"""The address of all clients that are not chosen."""


def two_faced_route(folders: Sequence[Path]) -> Route:
    """The route of the real one, and behind it another."""
    common, chosen = key_route(folders), key_route(tuple(reversed(folders)))

    def answer(asked: Asked) -> Answer:
        route = common if asked.authorization == EVERYBODY else chosen
        return route.answer(asked)

    return Route(method="GET", path=common.path, media_type="", limit=0, answer=answer)


def corrupt() -> None:
    """Let the key CDN of this process be the twin."""
    see(client_of)
    vars(cli)["key_route"] = two_faced_route


if __name__ == "__main__":
    corrupt()
    cli.main()
