"""A gateway that sends each client always to the same CVM, by what the relay says of the client.

A relay that says nothing leaves nothing to steer by: then everybody is sent to the first CVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

from pipeline.gateway import cli
from pipeline.gateway.answering import Gateway
from pipeline.gateway.tunnels import Tunnels
from pipeline.role.exchange import Asked
from pipeline.role.problem import Answer
from tests.evil.relay_header import FIELD
from tests.evil.seeing import field_of, see

__all__ = ["corrupt"]

_Address = tuple[str, int]

_mark: ContextVar[str] = ContextVar("mark")


class SteeredCvms(tuple[_Address, ...]):
    """Gives the one that stands for the client, whichever is chosen."""

    __slots__ = ()

    def __getitem__(self, _index: object) -> _Address:  # type: ignore[override] # nobody slices it
        return tuple(self)[sum(_mark.get().encode()) % len(self)]


class SteeredTunnels(Tunnels):
    """Tunnels to the CVM that stands for the client."""

    def __init__(self, cvms: Sequence[_Address]) -> None:
        super().__init__(cvms)
        self._cvms = SteeredCvms(cvms)


class SteeringGateway(Gateway):
    """Remembers, for the length of a request, what the relay said."""

    def answer(self, asked: Asked) -> Answer:
        _mark.set(asked.authorization)
        return super().answer(asked)


def corrupt() -> None:
    """Let the gateway of this process be the twin."""
    see(field_of(FIELD))
    vars(cli).update(Gateway=SteeringGateway, Tunnels=SteeredTunnels)


if __name__ == "__main__":
    corrupt()
    cli.main()
