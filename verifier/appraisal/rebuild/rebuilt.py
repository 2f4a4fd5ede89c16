"""What a rebuild found and made: values that ``verifier.rebuild`` gives to the appraisal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BUILT_FILES", "Build", "BuildEnd", "InputState", "LockedInput", "Rebuilt"]

BUILT_FILES = {
    "command-line": "command-line.txt",
    "guest-policy": "guest-policy.json",
    "kernel-config": "kernel-config.txt",
    "firmware": "firmware.fd",
    "kernel": "kernel.bin",
    "initrd": "initrd.bin",
    "sbom": "sbom.json",
    "image-manifest": "manifest.json",
}
"""Artifact role to the file that a build makes of it; causes first, what tells of all last."""


class InputState(StrEnum):
    """What is at hand of a locked input."""

    INTACT = "intact"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedInput:
    """A line of the lock: ``name`` and version for people, and what was found in its place.

    ``sha256`` (32 bytes) is the locked one, ``found`` that of the bytes at hand, empty if none.
    """

    name: str
    sha256: bytes
    state: InputState
    found: bytes


class BuildEnd(StrEnum):
    """How a build ended."""

    DONE = "done"
    FAILED = "failed"
    """It said itself that it failed, or made too much."""
    STOPPED = "stopped"
    """It was stopped: by the time limit, by a signal, or because it could not be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build: its environment in words, how it ended, and the files that it made, by name."""

    environment: str
    end: BuildEnd
    words: str
    outputs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """Everything that was found and made.

    ``lock_words`` says why the lock cannot be read, ``inputs_words`` why the bundle of inputs
    cannot be; both are empty if they can. ``sandbox`` is the one that was used, empty for none, and
    ``apart`` says that it kept the builds from the files of the machine, too. ``builds`` are none
    where a build could not begin: ``obstacle`` then says why. ``offered`` are files that somebody
    offers as the released ones, by name. ``source_sha256`` and ``lock_sha256`` are empty where
    nobody had the source. ``fetch_words`` says what came of fetching missing inputs, and is empty
    if all were had or nothing was fetched.
    """

    source_sha256: bytes
    lock_sha256: bytes
    lock_words: str
    inputs: tuple[LockedInput, ...]
    inputs_words: str
    fetch_words: str
    sandbox: str
    apart: bool
    builds: tuple[Build, ...]
    obstacle: str
    offered: Mapping[str, bytes]
