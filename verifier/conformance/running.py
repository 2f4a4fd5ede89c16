"""Runs an adapter: a process for every fixture, with limits and almost no environment.

An adapter that hangs, crashes, contradicts itself or prints anything else is an error, never an
answer.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO

from verifier.conformance.fixture import RULING_CODES, Fixture
from verifier.conformance.marks import Mark, Marked, mark_answer
from verifier.conformance.protocol import encode_request, parse_answer
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt

__all__ = ["MAX_ANSWER", "Adapter", "run_fixture"]

MAX_ANSWER = 1024 * 1024
"""Most bytes of an answer."""

_PASSED_ON = ("PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")
_POLL = 0.005  # seconds
_SHOWN = 200  # bytes of stderr, the last ones
_MAX_FILE = 64 * 1024 * 1024  # bytes, of each file that an adapter writes, its output included


@dataclass(frozen=True, slots=True)
class Adapter:
    """The command of an adapter, and the seconds that it has for one fixture."""

    command: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    out: bytes
    err: str


def run_fixture(fixture: Fixture, adapter: Adapter) -> Marked:
    """Ask the adapter about one fixture, and mark what it does.

    Raises OSError if the command cannot be started.
    """
    ended = _run(encode_request(fixture), adapter)
    if ended is None:
        return _error(fixture, f"no answer within {adapter.seconds:g} s")
    codes = {code: ruling for ruling, code in RULING_CODES.items()}
    if ended.code not in codes:
        return _error(fixture, f"exit code {ended.code}{ended.err}")
    if len(ended.out) > MAX_ANSWER:
        return _error(fixture, f"an answer of more than {MAX_ANSWER} bytes")
    try:
        answer = parse_answer(ended.out)
    except ParseError as error:
        return _error(fixture, str(error))
    if answer.ruling is not codes[ended.code]:
        return _error(fixture, f"the answer is {answer.ruling}, the exit code {ended.code}")
    return mark_answer(fixture, answer)


def _error(fixture: Fixture, note: str) -> Marked:
    return Marked(fixture=fixture, answer=None, mark=Mark.ERROR, note=note)


def _run(request: bytes, adapter: Adapter) -> _Ended | None:
    # Files, not pipes: an adapter that reads nothing or prints without end then blocks nobody.
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(request)
        given.seek(0)
        with subprocess.Popen(  # noqa: S603 - running the adapter is what the auditor asked for
            adapter.command,
            stdin=given,
            stdout=out,
            stderr=err,
            env=_environment(),
            start_new_session=True,
        ) as running:
            try:
                resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
                in_time = _has_ended(running.pid, within=adapter.seconds)
            finally:
                # What an adapter has started goes with it, also when the adapter itself has ended.
                os.killpg(running.pid, signal.SIGKILL)
        if not in_time:
            return None
        out.seek(0)
        return _Ended(running.returncode, out.read(MAX_ANSWER + 1), _last_words(err))


def _has_ended(pid: int, *, within: float) -> bool:
    # It is not reaped here: until its group is killed, its number must not become another's.
    deadline = time.monotonic() + within
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _last_words(err: IO[bytes]) -> str:
    err.seek(max(0, err.seek(0, os.SEEK_END) - _SHOWN))
    lines = err.read(_SHOWN).decode("utf-8", "replace").split("\n")
    said = [line for line in lines if line.strip()]
    return f": {excerpt(said[-1])}" if said else ""


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8"}
