"""Builds a release twice, in two environments, by the builder that its source brings along.

The builder is a program of the source: ``python -m pipeline.image build``. Nothing of it is
imported here, and nothing that it says is believed but the files that it leaves.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
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
from verifier.rebuild.gathering import Gathered, InputSource, gather_inputs
from verifier.rebuild.locks import RebuildLocks, Recipe
from verifier.rebuild.progress import BuildProgress
from verifier.rebuild.sandbox import ROOM, STORE, Room, Sandbox, run_in
from verifier.rebuild.source import SourceTree
from verifier.rebuild.workspace import (
    kept_build,
    read_outputs,
    record_build,
    remove_folder,
    require_space,
)
from verifier.tlog.strict import excerpt

__all__ = ["RebuildPlan", "not_rebuilt", "rebuild_twice"]

_MODULE = "pipeline.image"
_SOURCE, _OUT, _POLICY = "source", "out", "guest-policy.json"
_COMPILING = 4 * 1024 * 1024 * 1024  # bytes that a compilation needs to work in
_SHOWN = 300  # characters of the last lines of a log


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildPlan:
    """What to rebuild, and how.

    ``recipe`` says what is compiled. ``work`` is the folder of ``workspace``; ``guest_policy`` is
    what the image gets, None where nobody has it, and ``guest_policy_sha256`` what the release says
    of it, empty for nothing; ``offered`` are files that somebody offers as the released ones;
    ``released_sizes`` are those of all artifacts in bytes, as the release says; ``seconds`` bounds
    each build, and ``say`` is told how far they are.
    """

    source: SourceTree
    recipe: Recipe
    inputs: InputSource
    guest_policy: bytes | None
    guest_policy_sha256: bytes
    offered: Mapping[str, bytes]
    released_sizes: tuple[int, ...]
    work: Path
    sandbox: Sandbox
    seconds: float
    say: Callable[[str], None]


def rebuild_twice(plan: RebuildPlan) -> Rebuilt:
    """Look at source, lock and inputs, and build twice unless an input is missing or altered.

    Raises FetchError if the work folder or the store cannot be used, or there is no space.
    """
    found = replace(
        not_rebuilt("", offered=plan.offered),
        source_sha256=plan.source.sha256,
        lock_sha256=sha256(plan.source.lock).digest(),
        sandbox="" if plan.sandbox is Sandbox.NONE else str(plan.sandbox),
        apart=plan.sandbox is Sandbox.BWRAP,
    )
    try:
        locks = _locks(plan)
        locks.lines()
    except ParseError as error:
        return replace(found, lock_words=str(error), obstacle="the lock cannot be read")
    try:
        gathered = gather_inputs(locks, plan.inputs, plan.work)
    except ParseError as error:
        return replace(found, inputs_words=str(error), obstacle="the inputs cannot be read")
    inputs = (*gathered.inputs, *_missing_policy(plan))
    found = replace(found, inputs=inputs, fetch_words=gathered.fetch_words)
    bad = next((item for item in inputs if item.state is not InputState.INTACT), None)
    if bad is not None:
        return replace(found, obstacle=f"the input {bad.name} is {bad.state}")
    return replace(found, builds=tuple(_builds(plan, gathered)))


def not_rebuilt(obstacle: str, *, offered: Mapping[str, bytes]) -> Rebuilt:
    """What there is to judge where nobody has the source: nothing but what was offered."""
    return Rebuilt(
        source_sha256=b"",
        lock_sha256=b"",
        lock_words="",
        inputs=(),
        inputs_words="",
        fetch_words="",
        sandbox="",
        apart=False,
        builds=(),
        obstacle=obstacle,
        offered=offered,
    )


def _locks(plan: RebuildPlan) -> RebuildLocks:
    toolchain = plan.source.toolchain_lock if plan.recipe.from_source else None
    return RebuildLocks(plan.source.lock, toolchain)


def _missing_policy(plan: RebuildPlan) -> tuple[LockedInput, ...]:
    # One that is there and is not the logged one is built, and told by what it changes.
    if plan.guest_policy is not None:
        return ()
    digest, state = plan.guest_policy_sha256, InputState.MISSING
    return (LockedInput(name=_POLICY, sha256=digest, state=state, found=b""),)


def _builds(plan: RebuildPlan, gathered: Gathered) -> Iterator[Build]:
    try:
        for number, environment in enumerate(build_environments()):
            yield _build(plan, gathered.store, environment, backwards=bool(number))
    except OSError as error:
        what, got = str(error.filename or plan.work), error.strerror or type(error).__name__
        raise FetchError(what, expected="a folder to build in", got=got) from None


def _build(
    plan: RebuildPlan, store: Path, environment: BuildEnvironment, *, backwards: bool
) -> Build:
    if plan.guest_policy is None:
        raise ValueError("a guest policy that is missing was found missing before")
    folder = plan.work / environment.folder
    # Beside the folder, not in it: a build cannot write what is remembered of it.
    record = plan.work / f"{environment.folder}.json"
    key = _key(plan, environment)
    kept = kept_build(record, folder / _OUT, key=key)
    if kept is not None:
        plan.say(f"{environment.name}: made by an earlier run")
        return _ended(environment, BuildEnd.DONE, "made by an earlier run", kept)
    remove_folder(folder)
    record.unlink(missing_ok=True)
    # Before, and not after: a build that fails may say what it likes of the reason.
    compiling = (_COMPILING,) if plan.recipe.from_source else ()
    sizes = (*map(len, plan.source.contents), *compiling)
    require_space(plan.work, sizes=sizes, claimed=plan.released_sizes)
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
        sha256(plan.guest_policy or b"").hexdigest(),
        environment.words,
        str(plan.sandbox),
        *_command(plan.recipe),
        sys.version,
    )
    return sha256("\n".join(parts).encode()).hexdigest()


def _command(recipe: Recipe) -> tuple[str, ...]:
    return (
        # Without the packages of this machine (-S): what a source lacks, such as the builder
        # itself, would else be taken from them, and be built in its name.
        *(sys.executable, "-S", "-B", "-m", _MODULE, "build"),
        *("-o", f"{ROOM}/{_OUT}", "--policy", f"{ROOM}/{_POLICY}"),
        *("--store", STORE, "--offline"),
        *recipe.options,
    )


def _run(plan: RebuildPlan, store: Path, environment: BuildEnvironment, folder: Path) -> Build:
    room = Room(folder=folder, start=_SOURCE, store=store.resolve(), nesting=plan.recipe.compiles)
    log = plan.work / f"{environment.folder}.log"
    plan.say(f"{environment.name}: begins")
    ended = run_in(
        plan.sandbox,
        room,
        environment,
        _command(plan.recipe),
        log=log,
        seconds=plan.seconds,
        look=BuildProgress(log, environment.name, plan.say).look,
    )
    if ended.code is None:
        words = f"not done after {plan.seconds:g} s{_last_words(log)}"
        return _ended(environment, BuildEnd.STOPPED, words, {})
    if ended.code < 0:
        words = f"ended by {_signal_name(-ended.code)}{_last_words(log)}"
        return _ended(environment, BuildEnd.STOPPED, words, {})
    if ended.code > 0:
        words = f"exit code {ended.code}{_last_words(log)}"
        return _ended(environment, BuildEnd.FAILED, words, {})
    try:
        outputs = read_outputs(folder / _OUT)
    except ParseError as error:
        return _ended(environment, BuildEnd.FAILED, str(error), {})
    return _ended(environment, BuildEnd.DONE, "", outputs)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _SHOWN))
        text = file.read(_SHOWN).decode("utf-8", "replace").strip()
    return f": {excerpt(text, _SHOWN)}" if text else ""
