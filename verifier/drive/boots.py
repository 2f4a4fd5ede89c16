"""The boots of a drive: the good one, and those beside it that show what must not serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from verifier.appraisal.drive.driven import Booted, Seen, Start, Stopped, stopped
from verifier.appraisal.drive.probes import CONTROL, UNPROVEN
from verifier.client.tls import connected
from verifier.drive.artifacts import Tamper, hash_table, tampered
from verifier.drive.attempt import attempt
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.drive.level import THIS_HOST, Accelerator, accelerators
from verifier.drive.machine import Boot, Ended, Machine, booted
from verifier.drive.plan import Plan
from verifier.drive.sandbox import SandboxedGuest, sandboxed
from verifier.errors import AuditError, FetchError, VerificationError

__all__ = ["FirstBoot", "Guest", "Say", "boots_beside", "first_boot", "started_guest"]

Guest = Machine | SandboxedGuest
"""What runs the code of the release."""

Say = Callable[[str], None]
"""Gets a line at each step."""

_T = TypeVar("_T")
_PROBE_SECONDS = 2.0
_PATIENCE = 3  # a refusal is silent: so many good boots are waited for
_LEAST_PATIENCE = 12.0
_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """What was seen of the good boot; with more guests than one, of the worst of them.

    ``boot`` is the one that ran, None where none did.
    ``qemu`` is the version of QEMU, empty without it; ``seconds`` are from the start to the end
    of the waiting.
    """

    seen: Booted | Stopped
    boot: Boot | None
    qemu: str
    seconds: float

    @property
    def words(self) -> str:
        """How it went, for people."""
        return self.seen.words if isinstance(self.seen, Booted) else self.seen.got

    @property
    def serves(self) -> bool:
        """Whether the guest says that it serves."""
        return isinstance(self.seen, Booted) and self.seen.start is Start.READY

    @property
    def is_final(self) -> bool:
        """Whether the guest itself has spoken, so that another accelerator changes nothing."""
        return self.serves or (isinstance(self.seen, Booted) and self.seen.start is Start.DECLINED)


def first_boot(
    plan: Plan, use: Callable[[tuple[Guest, ...], Boot], _T], say: Say, *, guests: int
) -> tuple[FirstBoot, _T | None]:
    """Boot the release as strongly as this host can, and ``use`` the ``guests`` if all serve.

    They boot beside one another. Raises no AuditError: what went wrong is what was seen. ``use``
    must not raise one either.
    """
    error = FetchError("boot", expected="a way to boot", got="there is none")
    first, used = _unbooted(error), None
    for accelerator in (Accelerator.BWRAP,) if plan.process else accelerators(THIS_HOST):
        say(f"{accelerator}: booting")
        # Hardware that does not work as it says is why there is a next one to try.
        first, used = _try(plan, accelerator, use, say, guests)
        if first.is_final:
            break
    return first, used


def _try(
    plan: Plan,
    accelerator: Accelerator,
    use: Callable[[tuple[Guest, ...], Boot], _T],
    say: Say,
    count: int,
) -> tuple[FirstBoot, _T | None]:
    try:
        boot = _boot(plan, accelerator)
        with ExitStack() as stack:
            guests = tuple(stack.enter_context(started_guest(boot)) for _ in range(count))
            first = _first(boot, guests, [guest.wait(plan.seconds) for guest in guests])
            say(f"{accelerator}: {first.words}")
            return first, use(guests, boot) if first.serves else None
    except AuditError as error:
        first = _unbooted(error)
        say(f"{accelerator}: {first.words}")
        return first, None


def _first(boot: Boot, guests: tuple[Guest, ...], ends: Sequence[Ended]) -> FirstBoot:
    """The boot of the first guest that does not serve, or else of the slowest."""
    guest, ended = max(
        zip(guests, ends, strict=True),
        key=lambda each: (each[1].start is not Start.READY, each[1].seconds),
    )
    qemu = guest.qemu if isinstance(guest, Machine) else ""
    by = f"{boot.accelerator}, QEMU {qemu}" if qemu else str(boot.accelerator)
    words = f"{ended.words} after {ended.seconds:.1f} s, by {by}"
    seen = Booted(start=ended.start, words=words, answers=False)
    return FirstBoot(seen=seen, boot=boot, qemu=qemu, seconds=ended.seconds)


def _unbooted(error: AuditError) -> FirstBoot:
    return FirstBoot(seen=stopped(error), boot=None, qemu="", seconds=0.0)


def _boot(plan: Plan, accelerator: Accelerator) -> Boot:
    table, gpa = hash_table(plan.artifacts)
    return Boot(
        artifacts=plan.artifacts,
        table=table,
        table_gpa=gpa,
        shape=plan.shape,
        accelerator=accelerator,
        entry=plan.entry,
        proof=plan.proof,
        platform=None if accelerator is Accelerator.SNP else plan.platform,
    )


def started_guest(boot: Boot) -> AbstractContextManager[Guest]:
    """The guest of ``boot`` while the block runs; raises as ``booted`` and ``sandboxed``."""
    return sandboxed(boot) if boot.accelerator is Accelerator.BWRAP else booted(boot)


def boots_beside(good: Boot, *, took: float, seconds: float, say: Say) -> Mapping[str, Seen]:
    """What was seen of each boot beside the good one, by check.

    The good one ``took`` so many seconds. ``seconds`` bounds those that have to say something;
    what has to be silent is silent for a multiple of the good one, and so is the untouched boot.
    """
    limit = max(_LEAST_PATIENCE, _PATIENCE * took)
    made = _made_beside(good)
    limits = {UNPROVEN: max(limit, seconds)}
    say(f"{len(made)} more boots, about {limit:.0f} s each: {', '.join(made)}")
    # The untouched one first: it is not to have the machine for itself while the others waited.
    given_up, pool = Event(), ThreadPoolExecutor(max_workers=_AT_ONCE)
    try:
        boots = {
            check: pool.submit(_seen, make, limits.get(check, limit), given_up)
            for check, make in made.items()
        }
        return {check: each.result() for check, each in boots.items()}
    finally:
        # Whoever interrupts waits neither for the boots that run nor for those to come.
        given_up.set()
        pool.shutdown(cancel_futures=True)


def _made_beside(good: Boot) -> Mapping[str, Callable[[], Boot]]:
    unproven = {UNPROVEN: partial(_unproven, good)}
    if good.accelerator is Accelerator.BWRAP:  # which has no firmware that could refuse
        return unproven
    tampers = {
        f"drive.tamper.{tamper.replace('-', '_')}": partial(_tampered, good, tamper)
        for tamper in Tamper
    }
    return {CONTROL: lambda: good, **tampers, **unproven}


def _tampered(good: Boot, tamper: Tamper) -> Boot:
    table = None if tamper is Tamper.NO_TABLE else good.table
    return replace(good, artifacts=tampered(good.artifacts, tamper), table=table)


def _unproven(good: Boot) -> Boot:
    return replace(good, proof=corrupted_proof(good.proof))


def _seen(make: Callable[[], Boot], limit: float, given_up: Event) -> Seen:
    return attempt(lambda: _watched(make(), limit, given_up))


def _watched(boot: Boot, limit: float, given_up: Event) -> Booted:
    with started_guest(boot) as guest:
        ended = guest.wait(limit, given_up=given_up)
        answers = _answers_tls(guest.address)
    return Booted(start=ended.start, words=ended.words, answers=answers)


def _answers_tls(address: tuple[str, int] | Path) -> bool:
    try:
        with connected(address, seconds=_PROBE_SECONDS):
            return True
    except (FetchError, VerificationError):
        return False
