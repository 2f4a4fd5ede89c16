"""The two CVMs of one release behind a gateway, and how one of them is started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from verifier.appraisal.drive.driven import Start
from verifier.client.transport import Address
from verifier.drive.boots import Guest, started_guest
from verifier.drive.machine import Boot
from verifier.errors import FetchError, VerificationError

__all__ = ["Cvms", "restartable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cvms:
    """Two CVMs that serve. ``restart`` ends number n, starts it again and says where it is then.

    It raises AuditError for one that does not serve any more. ``consoles`` are the files of what
    each has shown its host since it was started last.
    """

    addresses: tuple[Address, Address]
    restart: Callable[[int], Address]
    consoles: Callable[[], tuple[Path, ...]]


@contextmanager
def restartable(guests: Sequence[Guest], boot: Boot, *, seconds: float) -> Iterator[Cvms]:
    """Two ``guests`` of ``boot`` that serve, each of which can be booted again.

    What was booted again ends with the block; each time it has ``seconds`` to serve.
    """
    with ExitStack() as stack:
        running = list(guests)

        def restart(number: int) -> Address:
            running[number].stop()
            running[number] = stack.enter_context(started_guest(boot))
            _require_ready(running[number], number, seconds)
            return running[number].address

        first, second = guests
        yield Cvms(
            addresses=(first.address, second.address),
            restart=restart,
            consoles=lambda: tuple(guest.console for guest in running),
        )


def _require_ready(guest: Guest, number: int, seconds: float) -> None:
    ended = guest.wait(seconds)
    if ended.start is not Start.READY:
        error = VerificationError if ended.start is Start.DECLINED else FetchError
        raise error(f"CVM {number}", expected="a guest that serves", got=ended.words)
