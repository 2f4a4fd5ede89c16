"""Drives the path of a world, with whatever is evil in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.evil.caught import NodeOptions
from tests.evil.world import Address, Cvm, World, running_cvm
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Verdict
from verifier.drive.cvms import Cvms
from verifier.drive.plan import PathPlan
from verifier.drive.through import drive_path

__all__ = ["REAL", "driven", "failures", "undetermined"]

REAL: NodeOptions = {}


class _Pair:
    """Two CVMs with the same options, each of which can be started again."""

    def __init__(self, world: World, folder: Path, options: NodeOptions) -> None:
        self._world = world
        self._folder = folder
        self._options = options
        self._stacks = [ExitStack(), ExitStack()]
        self._consoles = [Path(), Path()]

    def start(self, number: int) -> Address:
        """End CVM ``number`` if it runs, and start it."""
        self._stacks[number].close()
        cvm = self._stacks[number].enter_context(self._running(number))
        self._consoles[number] = cvm.console
        return cvm.address

    def consoles(self) -> tuple[Path, ...]:
        """What both have shown their host."""
        return tuple(self._consoles)

    @contextmanager
    def _running(self, number: int) -> Iterator[Cvm]:
        with running_cvm(self._world, self._folder / f"cvm-{number}", **self._options) as cvm:
            yield cvm

    def stop(self) -> None:
        """End both."""
        for stack in self._stacks:
            stack.close()


def driven(
    world: World,
    folder: Path,
    *,
    node: NodeOptions = REAL,
    replaced: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict on a path with two CVMs like ``node``; ``replaced`` maps roles to twins."""
    plan = PathPlan(
        entry=world.entry,
        policy=parse_policy(world.policy),
        policy_text=world.policy,
        crl=None,
        roots=(world.root,),
        trusted_root=None,
        now=datetime.now(UTC),
        keys=world.keys.folder,
        logged=world.logged,
    )
    modules = {role: f"tests.evil.{name}" for role, name in (replaced or {}).items()}
    pair = _Pair(world, folder, node)
    try:
        addresses = pair.start(0), pair.start(1)
        cvms = Cvms(addresses=addresses, restart=pair.start, consoles=pair.consoles)
        return drive_path(plan, cvms=cvms, replaced=modules, say=lambda _: None).verdict
    finally:
        pair.stop()


def failures(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """What was expected and what came, by the check that failed."""
    return {
        each.check: (each.expected, each.got)
        for each in verdict.findings
        if each.status is Status.FAIL
    }


def undetermined(verdict: Verdict) -> frozenset[str]:
    """The checks that came to no end."""
    return frozenset(each.check for each in verdict.findings if each.status is Status.ERROR)
