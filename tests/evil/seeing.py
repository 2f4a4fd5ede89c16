"""HTTP of a role that hides less: its routes are told something that the real ones never see.

What a route is given of a request has no place for an address. A twin reads it where the real role
finds the Authorization field.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from pipeline.role import life
from pipeline.role.exchange import Application

__all__ = ["client_of", "field_of", "see"]

_FIELD = b"authorization"


def see(read: Callable[[Scope], str]) -> None:
    """From now on let every route of this process find ``read`` of a request in its field."""

    class Seeing(Application):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            fields = [field for field in scope["headers"] if field[0] != _FIELD]
            seen = (_FIELD, read(scope).encode("latin-1"))
            await super().__call__({**scope, "headers": [*fields, seen]}, receive, send)

    vars(life)["Application"] = Seeing


def client_of(scope: Scope) -> str:
    """The address of whoever asks."""
    return str(scope["client"][0])


def field_of(name: str) -> Callable[[Scope], str]:
    """What reads the field ``name``, empty where there is none."""
    wanted = name.lower().encode("ascii")
    return lambda scope: dict(scope["headers"]).get(wanted, b"").decode("latin-1")
