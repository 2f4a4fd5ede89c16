"""What the taps of a lab have recorded since a moment, and what a probe needs of its sessions."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from verifier.client.client import AttestedClient
from verifier.drive.lab import CVM_HOPS, Lab
from verifier.drive.tap import Direction, Recording
from verifier.errors import FetchError, ParseError, UnsupportedError, VerificationError
from verifier.library import NotVerifiedError

__all__ = [
    "TRIES",
    "Watch",
    "connect_to",
    "reached_cvm",
    "require_traffic",
    "some_source",
    "without_session_no_finding",
]


TRIES = 24
"""Sessions that are opened until one reaches a certain CVM of two: by chance all miss it in one of
16 million cases."""


class Watch:
    """What every tap records from now on; connections that are open already do not count."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._before = {hop: len(tap.recordings()) for hop, tap in lab.taps.items()}

    def seen(self, hop: str) -> tuple[Recording, ...]:
        """The connections of ``hop``, in the order of their opening. Raises FetchError."""
        return self._lab.taps[hop].recordings()[self._before[hop] :]

    def cvms(self) -> tuple[int, ...]:
        """How many connections each CVM got. Raises FetchError."""
        return tuple(len(self.seen(hop)) for hop in CVM_HOPS)


def reached_cvm(connections: Sequence[int]) -> int:
    """The number of the one CVM that one session reached; ``connections`` are those of each.

    Raises FetchError if there was not exactly one.
    """
    if sum(connections) != 1:
        got = f"{sum(connections)}"
        raise FetchError("connections to a CVM", expected="one for one session", got=got)
    return connections.index(1)


def connect_to(lab: Lab, client: AttestedClient, number: int) -> None:
    """Have a session with CVM ``number``, by opening one after the other. Raises FetchError."""
    for _ in range(TRIES):
        client.close()
        watch = Watch(lab)
        client.connect()
        if reached_cvm(watch.cvms()) == number:
            return
    expected, got = f"a session with CVM {number}", f"none of {TRIES}"
    raise FetchError("CVMs reached", expected=expected, got=got)


def require_traffic(seen: Mapping[str, Sequence[Recording]]) -> None:
    """Raise FetchError for a hop of ``seen`` on which nothing went there, or nothing came back.

    What is not found in an empty recording is not shown to be absent.
    """
    for hop, recordings in seen.items():
        for direction in Direction:
            if not any(recording.content(direction) for recording in recordings):
                expected, got = "bytes both ways", f"none {direction}"
                raise FetchError(f"recording of {hop}", expected=expected, got=got)


def some_source() -> str:
    """A loopback address that no role has, and whose text stands nowhere by chance."""
    return ".".join(("127", *(str(100 + secrets.randbelow(150)) for _ in range(3))))


@contextmanager
def without_session_no_finding() -> Iterator[None]:
    """A client that refuses its CVM is another check's finding: FetchError here, for no finding.

    Whoever breaks the promise of one check is so caught by that check, and by no other.
    """
    try:
        yield
    except FetchError:
        raise
    except (NotVerifiedError, ParseError, UnsupportedError, VerificationError) as error:
        expected = "answers over a session that is VERIFIED"
        raise FetchError("session of the probe", expected=expected, got=str(error)) from None
