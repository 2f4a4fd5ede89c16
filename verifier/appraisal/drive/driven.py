"""What a drive saw: values that ``verifier.drive`` gives to the appraisal, judged by no one yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from verifier.appraisal.findings import FindingClass
from verifier.errors import AuditError, FetchError, VerificationError
from verifier.evidence.drive_record import Accelerator

__all__ = [
    "Booted",
    "Compared",
    "Done",
    "Driven",
    "Scope",
    "Seen",
    "Start",
    "Stopped",
    "Way",
    "stopped",
]


class Start(StrEnum):
    """How a boot went.

    It served; the guest itself declined; the machine ended, or its guest in the middle of a line;
    or there was no sign of life.
    """

    READY = "ready"
    DECLINED = "declined"
    ENDED = "ended"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """One boot: how it went, in which ``words``, and whether something then answered TLS."""

    start: Start
    words: str
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two values that have to be one: ``expected`` is ours, ``got`` came from ``source``."""

    expected: str
    got: str
    source: str


@dataclass(frozen=True, slots=True)
class Done:
    """A step that came to its end; its functions raise where it does not hold."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A step that did not come to its end; ``stopped`` makes it of the error."""

    cls: FindingClass
    expected: str
    got: str
    hint: str


Seen = Booted | Compared | Done | Stopped
"""What was seen of one check."""


class Way(StrEnum):
    """How the CVM is reached, and whose everything is.

    ``DIRECT``: booted here, and nothing between it and the client. ``PATH``: booted here, behind a
    path that is started here. ``GIVEN``: CVMs that run already, behind a path that is started here.
    ``DEPLOYMENT``: CVMs and path are somebody else's.
    """

    DIRECT = "direct"
    PATH = "path"
    GIVEN = "given"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the auditor wants to be tried, known before anything is.

    ``machine`` is false for a guest in a sandbox, which no firmware starts; ``boots`` is false
    without boots that must be refused. Both are false where nothing is booted here.
    """

    machine: bool
    boots: bool
    way: Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """Everything that was seen, by check. What is not in ``seen`` was not tried.

    ``release`` and ``report`` are SHA-256 (32 bytes) of the entry that was driven and of the
    report that came back, None where none did. ``accelerator`` is what ran the first boot, None
    where nothing ran; ``qemu`` is its version, empty without QEMU.
    """

    release: bytes
    report: bytes | None
    accelerator: Accelerator | None
    qemu: str
    seen: Mapping[str, Seen]


def stopped(error: AuditError) -> Stopped:
    """The step that ``error`` stopped. Only silence is weather: garbage and lies are failures."""
    cls = FindingClass.INPUT
    if isinstance(error, FetchError):
        cls = FindingClass.INFRASTRUCTURE
    elif isinstance(error, VerificationError):
        cls = FindingClass.SECURITY
    got = f"{error.what}: {error.got}"
    return Stopped(cls=cls, expected=error.expected, got=got, hint=error.hint)
