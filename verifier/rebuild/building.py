"""Builds a release twice, in two environments, by the builder that its source brings along.

The builder is a program of the source: ``python -m pipeline.image build``. Nothing of it is
imported here, and nothing that it says is believed but the files that it leaves.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from verifier.appraisal.rebuild.rebuilt import (
    Build,
    BuildEnd,
    InputState,
    LockedInput,
    Rebuilt,
)
from verifier.errors import FetchError, ParseError
from verifier.rebuild.environment import BuildEnvironment, build_environments
from verifier.rebuild.inputs import LockLine, look_up, parse_lock_lines, unpack_bundle
from verifier.rebuild.sandbox import ROOM, STORE, Room, Sandbox, run_in
from verifier.rebuild.source import SourceTree
from verifier.rebuild.workspace import kept_build, read_outputs, record_build
from verifier.tlog.strict import excerpt

__all__ = ["RebuildPlan", "rebuild_twice"]

_MODULE = "pipeline.image"
_SOURCE, _OUT, _POLICY = "source", "out", "guest-policy.json"
_STORE = "store"  # in the work folder: what a bundle held
_SHOWN = 300  # characters of the last lines of a log


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildPlan:
    """What to rebuild, and how.

    ``work`` is the folder of ``workspace``; ``bundle`` a tar of inputs or None, then the folder
    ``store`` has them; ``guest_policy`` is what the image gets; ``offered`` are files that
    somebody offers as the released ones; ``seconds`` bounds each build.
    """

    source: SourceTree
    bundle: Path | None
    store: Path
    guest_policy: bytes
    offered: Mapping[str, bytes]
    work: Path
    sandbox: Sandbox
    seconds: float


def rebuild_twice(plan: RebuildPlan) -> Rebuilt:
    """Look at source, lock and inputs, and build twice unless an input is missing or altered.

    Raises FetchError if the work folder or the store cannot be used.
    """
    source_sha256, lock = plan.source.sha256, plan.source.lock
    found = Rebuilt(
        source_sha256=source_sha256,
        lock_sha256=sha256(lock).digest(),
        lock_words="",
        inputs=(),
        inputs_words="",
        sandbox="" if plan.sandbox is Sandbox.NONE else str(plan.sandbox),
        builds=(),
        obstacle="",
        offered=plan.offered,
    )
    try:
        lines = parse_lock_lines(lock)
    except ParseError as error:
        return replace(found, lock_words=str(error), obstacle="the lock cannot be read")
    try:
        store, inputs = _inputs(plan, lines)
    except ParseError as error:
        return replace(found, inputs_words=str(error), obstacle="the inputs cannot be read")
    found = replace(found, inputs=inputs)
    bad = next((item for item in inputs if item.state is not InputState.INTACT), None)
    if bad is not None:
        return replace(found, obstacle=f"the input {bad.name} is {bad.state}")
    return replace(found, builds=tuple(_builds(plan, store)))


def _inputs(plan: RebuildPlan, lines: tuple[LockLine, ...]) -> tuple[Path, tuple[LockedInput, ...]]:
    if plan.bundle is None:
        return plan.store, look_up(lines, plan.store)
    store = plan.work / _STORE
    altered = unpack_bundle(plan.bundle, lines, store)
    return store, tuple(_named(item, altered) for item in look_up(lines, store))


def _named(item: LockedInput, altered: Mapping[bytes, bytes]) -> LockedInput:
    """An input that is not there, but something else in its name."""
    if item.state is InputState.MISSING and item.sha256 in altered:
        return replace(item, state=InputState.ALTERED, found=altered[item.sha256])
    return item


def _builds(plan: RebuildPlan, store: Path) -> Iterator[Build]:
    try:
        for number, environment in enumerate(build_environments()):
            yield _build(plan, store, environment, backwards=bool(number))
    except OSError as error:
        what, got = str(error.filename or plan.work), error.strerror or type(error).__name__
        raise FetchError(what, expected="a folder to build in", got=got) from None


def _build(
    plan: RebuildPlan, store: Path, environment: BuildEnvironment, *, backwards: bool
) -> Build:
    folder = plan.work / environment.folder
    # Beside the folder, not in it: a build cannot write what is remembered of it.
    record = plan.work / f"{environment.folder}.json"
    key = _key(plan, environment)
    kept = kept_build(record, folder / _OUT, key=key)
    if kept is not None:
        return _ended(environment, BuildEnd.DONE, "made by an earlier run", kept)
    shutil.rmtree(folder, ignore_errors=True)
    record.unlink(missing_ok=True)
    folder.mkdir()
    plan.source.lay_out(folder / _SOURCE, backwards=backwards)
    (folder / _POLICY).write_bytes(plan.guest_policy)
    build = _run(plan, store, environment, folder)
    if build.end is BuildEnd.DONE:
        record_build(record, build.outputs, key=key)
    return build


def _ended(
    environment: BuildEnvironment, end: BuildEnd, words: str, outputs: Mapping[str, bytes]
) -> Build:
    return Build(environment=environment.words, end=end, words=words, outputs=outputs)


def _key(plan: RebuildPlan, environment: BuildEnvironment) -> str:
    parts = (
        plan.source.sha256.hex(),
        sha256(plan.guest_policy).hexdigest(),
        environment.words,
        str(plan.sandbox),
        sys.version,
    )
    return sha256("\n".join(parts).encode()).hexdigest()


def _run(plan: RebuildPlan, store: Path, environment: BuildEnvironment, folder: Path) -> Build:
    room = Room(folder=folder, start=_SOURCE, store=store.resolve())
    command = (
        *(sys.executable, "-s", "-B", "-m", _MODULE, "build"),
        *("-o", f"{ROOM}/{_OUT}", "--policy", f"{ROOM}/{_POLICY}"),
        *("--store", STORE, "--offline"),
    )
    log = plan.work / f"{environment.folder}.log"
    ended = run_in(plan.sandbox, room, environment, command, log=log, seconds=plan.seconds)
    if ended.code is None:
        return _ended(environment, BuildEnd.STOPPED, f"not done after {plan.seconds:g} s", {})
    if ended.code != 0:
        end = BuildEnd.STOPPED if ended.code < 0 else BuildEnd.FAILED
        return _ended(environment, end, f"exit code {ended.code}{_last_words(log)}", {})
    try:
        outputs = read_outputs(folder / _OUT)
    except ParseError as error:
        return _ended(environment, BuildEnd.FAILED, str(error), {})
    return _ended(environment, BuildEnd.DONE, "", outputs)


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _SHOWN))
        text = file.read(_SHOWN).decode("utf-8", "replace").strip()
    return f": {excerpt(text, _SHOWN)}" if text else ""
