"""A real path in front of two real nodes, as a lab for probes; and clients that are not honest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tests.evil.world import World, make_world, running_cvm
from tests.pipeline.roles import make_keys
from verifier.appraisal.drive.driven import Seen, Stopped
from verifier.appraisal.findings import FindingClass
from verifier.appraisal.policy import parse_policy
from verifier.client.client import AttestedClient
from verifier.drive.cvms import Cvms
from verifier.drive.lab import Lab, ProbeFunction
from verifier.drive.laboratory import watched_lab
from verifier.drive.path import RunningPath, running_path
from verifier.drive.plan import PathPlan

__all__ = ["Dishonest", "Walk", "cvms_of", "only", "plan_of", "stopped_by", "walking", "world_in"]


def world_in(folder: Path) -> World:
    """Keys, log, release and platform, made in ``folder``."""
    return make_world(folder, make_keys(folder / "keys"))


def plan_of(world: World, **changes: Any) -> PathPlan:
    """What an auditor of ``world`` drives; keyword arguments replace members."""
    plan = PathPlan(
        entry=world.entry,
        keys=world.keys.folder,
        logged=world.logged,
        policy=parse_policy(world.policy),
        policy_text=world.policy,
        crl=None,
        roots=(world.root,),
        trusted_root=None,
        now=datetime.now(UTC),
    )
    return replace(plan, **changes)


@contextmanager
def cvms_of(world: World, folder: Path) -> Iterator[Cvms]:
    """Two nodes of the release."""
    with ExitStack() as stack:
        stacks = [stack.enter_context(ExitStack()) for _ in range(2)]

        def start(number: int) -> tuple[str, int]:
            stacks[number].close()
            node = running_cvm(world, folder / f"cvm-{number}")
            return stacks[number].enter_context(node).address

        yield Cvms(addresses=(start(0), start(1)), restart=start, consoles=tuple)


@dataclass(frozen=True)
class Walk:
    """A path that runs, and its lab."""

    world: World
    running: RunningPath
    lab: Lab

    @property
    def file(self) -> Path:
        """Its deployment.json."""
        return self.running.roles[0].directory.parent / "deployment.json"


@contextmanager
def walking(folder: Path) -> Iterator[Walk]:
    """Start nodes and path while the block runs."""
    world = world_in(folder)
    with (
        cvms_of(world, folder) as cvms,
        running_path(world.keys.folder, world.logged, cvms=cvms.addresses, replaced={}) as path,
    ):

        def restart(number: int) -> None:
            path.taps[f"gateway-cvm-{number}"].move_to(cvms.restart(number))

        lab = watched_lab(plan_of(world), path, restart=restart, consoles=cvms.consoles)
        yield Walk(world, path, lab)


@dataclass
class Dishonest:
    """A client that does something else where ``instead`` says so, by the name of a member."""

    client: AttestedClient
    instead: dict[str, Callable[[AttestedClient], Any]]

    def __getattr__(self, name: str) -> Any:
        if name not in self.instead:
            return getattr(self.client, name)
        if name in ("group", "bundle"):
            return self.instead[name](self.client)
        return lambda *_, **__: self.instead[name](self.client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @classmethod
    def lab(cls, lab: Lab, **instead: Callable[[AttestedClient], Any]) -> Lab:
        """``lab`` whose clients are such ones."""

        def make(**given: Any) -> Any:
            return cls(lab.new_client(**given), instead)

        return replace(lab, new_client=make)


def only(probe: ProbeFunction, lab: Lab) -> Seen:
    """What a probe of one check saw."""
    (seen,) = probe(lab).values()
    return seen


def stopped_by(seen: Seen) -> tuple[FindingClass, str, str]:
    """Class, expected and got of a step that was stopped."""
    assert isinstance(seen, Stopped), json.dumps(str(seen))
    return seen.cls, seen.expected, seen.got
