"""The options of ``drive``: which belong together, and the command that drives again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.fetch.artifacts import is_url
from verifier.measurement.sev_snp import VCPU_SIGNATURES

__all__ = ["again", "log_options", "needs_network", "require_consistent"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW = click.Path(file_okay=False, path_type=Path)

_BOOTS = ("artifacts", "platform")
_PATH = ("keys", "logged_keys")
_ELSEWHERE = ("deployment", "accounts")
_REBUILT = ("source", "inputs", "store", "mirrors", "guest_policy")
_OUT_OF_LOG = ("index", "release_version", "places", "rebuild", *_REBUILT, "work")
_EXCLUDING = (
    ("release", "log"),
    ("index", "release_version"),
    ("artifacts", "rebuild"),
    ("artifacts", "places"),
    ("inputs", "store"),
)
_FLAGS = {"mirrors": "--mirror", "places": "--from"}  # where click has another name for it


def log_options(command: _Command) -> _Command:
    """Add the options that say where a release comes from, when no folder has it."""
    options = (
        click.option(
            "--log", metavar="URL|DIR", help="Log to take release and keys from, by the policy."
        ),
        click.option(
            "--index",
            type=click.IntRange(0),
            help="Index of the release; else the newest is taken.",
        ),
        click.option("--release-version", metavar="VERSION", help="The newest of this version."),
        click.option(
            "--from",
            "places",
            multiple=True,
            metavar="DIR|URL",
            help="Where artifacts are, before the release's own locations; repeatable.",
        ),
        click.option("--rebuild", is_flag=True, help="Boot what the source of the release gives."),
        click.option("--source", type=_FOLDER, help="Source tree, as for `release rebuild`."),
        click.option("--inputs", type=_FILE, help="Bundle (tar) of inputs, for it."),
        click.option("--store", type=_NEW, help="Folder of inputs, for it."),
        click.option(
            "--mirror", "mirrors", multiple=True, metavar="URL", help="For it; repeatable."
        ),
        click.option("--guest-policy", type=_FILE, help="Policy that goes into the image, for it."),
        click.option(
            "--work", type=_NEW, help="Folder that keeps what comes from the log; a run resumes."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def require_consistent(options: Mapping[str, Any]) -> None:
    """Each way needs what it needs, and takes nothing that it would not look at.

    Raises UsageError.
    """
    if not options["release"] and not options["log"]:
        message = "--release DIR or --log URL|DIR is needed"
        raise click.UsageError(message)
    for one, other in _EXCLUDING:
        if _given(options, one) and _given(options, other):
            message = f"{_flag(one)} and {_flag(other)} exclude each other"
            raise click.UsageError(message)
    if options["release"]:
        _refuse("--release", options, _OUT_OF_LOG)
    elif not options["rebuild"]:
        _refuse("a drive without --rebuild", options, _REBUILT)
    if options["offline"] and needs_network(options):
        message = "--log URL needs a network, and --offline forbids it: --log DIR takes a copy"
        raise click.UsageError(message)
    _require_way(options)
    if options["vcpu_type"] not in VCPU_SIGNATURES:
        message = f"--vcpu-type is one of {', '.join(VCPU_SIGNATURES)}"
        raise click.UsageError(message)


def _require_way(options: Mapping[str, Any]) -> None:
    # What the log has need not be said.
    brought = ("artifacts", "logged_keys") if options["log"] else ()
    way: str
    needed: tuple[str, ...]
    unused: tuple[str, ...]
    if options["direct"]:
        way, needed, unused = "--direct", _BOOTS, (*_PATH, *_ELSEWHERE)
    elif options["deployment"] is not None:
        way, needed = "--deployment", _ELSEWHERE
        unused = (*_BOOTS, *_PATH, "process", "places", "rebuild")
    else:
        way, needed, unused = "a drive through the path", (*_BOOTS, *_PATH), _ELSEWHERE
    missing = [name for name in needed if not _given(options, name) and name not in brought]
    if missing:
        raise click.UsageError(f"{way} needs {_words(missing)}")
    _refuse(way, options, unused)


def _refuse(way: str, options: Mapping[str, Any], unused: Iterable[str]) -> None:
    if given := [name for name in unused if _given(options, name)]:
        raise click.UsageError(f"{way} has no use for {_words(given)}")


def _given(options: Mapping[str, Any], name: str) -> bool:
    value = options[name]
    return value is not None and value is not False and value != ()


def needs_network(options: Mapping[str, Any]) -> bool:
    """Whether the log is not on this machine."""
    return options["log"] is not None and is_url(options["log"])


def again(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The whole drive, as words of the command line."""
    files = ("release", "log", "index", "artifacts", "platform", "policy", "keys", *_ELSEWHERE)
    numbers = ("vcpus", "vcpu_type", "memory", "seconds")
    names = (*files, "source", "inputs", "store", "guest_policy", "work", "crl", "chat", *numbers)
    given = [word for name in names for word in _option(name, options[name])]
    for name in ("logged_keys", "places", "mirrors"):
        given += [word for each in options[name] for word in _option(name, each)]
    given += [f"--{name}" for name in ("rebuild", "process") if options[name]]
    given += [] if options["tamper"] else ["--no-tamper"]
    return ("drive", *(["--direct"] if options["direct"] else []), *given)


def _option(name: str, value: object) -> tuple[str, ...]:
    return () if value is None else (_flag(name), str(value))


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def _words(names: Iterable[str]) -> str:
    return ", ".join(map(_flag, names))
