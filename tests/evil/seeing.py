"""HTTP of a role that hides less: its routes are told something that the real ones never see.

What a route is given of a request has no place for an address. A twin reads it where the real role
finds the Authorization field.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import Scope

from pipeline.role import exchange
from pipeline.role.exchange import Route

__all__ = ["client_of", "field_of", "see"]


def see(read: Callable[[Scope], str]) -> None:
    """From now on let every route of this process find ``read`` of a request in its field."""

    def seen(request: Request, _route: Route) -> str:
        return read(request.scope)

    vars(exchange)["_authorization"] = seen


def client_of(scope: Scope) -> str:
    """The address of whoever asks."""
    return str(scope["client"][0])


def field_of(name: str) -> Callable[[Scope], str]:
    """What reads the field ``name``, empty where there is none."""
    wanted = name.lower().encode("ascii")
    return lambda scope: dict(scope["headers"]).get(wanted, b"").decode("latin-1")
