"""Locks: every file from which an image is made, pinned by size and SHA-256.

``inputs.lock`` has what goes into the image. ``toolchain.lock`` has what kernel and firmware are
compiled from, and with, where they are. A lock is TOML in exactly the spelling that
``encode_lock`` writes, so that one set of inputs has one lock and one digest. Where a file comes
from is the business of whoever builds: a lock holds a path below an archive's root, never an
address (ADR 0009). Source: docs/spec/image.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime

from verifier.errors import ParseError, PolicyError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_utf8

__all__ = [
    "FIRMWARE",
    "FIRMWARE_PATCHES",
    "FIRMWARE_SOURCE",
    "IMAGE_LOCK",
    "KERNEL",
    "KERNEL_SOURCE",
    "LOCK_MAX",
    "LOCK_SCHEMA",
    "TOOLCHAIN",
    "TOOLCHAIN_LOCK",
    "USERLAND",
    "WHEEL",
    "Input",
    "Lock",
    "LockForm",
    "Suite",
    "encode_lock",
    "parse_lock",
]

LOCK_SCHEMA = "cvm-audit/image-lock/v1"
LOCK_MAX = 1024 * 1024
"""Most bytes of a lock."""

FIRMWARE, KERNEL, USERLAND, WHEEL = "firmware", "kernel", "userland", "wheel"
"""What an input of the image is for. A wheel is a Python distribution, else a Debian package."""

FIRMWARE_PATCHES, FIRMWARE_SOURCE = "firmware-patches", "firmware-source"
KERNEL_SOURCE, TOOLCHAIN = "kernel-source", "toolchain"
"""What an input of a compilation is for. Of the firmware there are the tars of Debian's source
package, of everything else Debian packages."""


@dataclass(frozen=True, slots=True)
class LockForm:
    """Which of the two locks it is: file name, the roles of its inputs, the roles with just one.

    ``relock`` are the words after ``python -m pipeline.image`` that write it.
    """

    name: str
    relock: str
    roles: tuple[str, ...]
    single: tuple[str, ...]


IMAGE_LOCK = LockForm(
    name="inputs.lock",
    relock="relock",
    roles=(FIRMWARE, KERNEL, USERLAND, WHEEL),
    single=(FIRMWARE, KERNEL),
)
TOOLCHAIN_LOCK = LockForm(
    name="toolchain.lock",
    relock="relock --from-source",
    roles=(FIRMWARE_PATCHES, FIRMWARE_SOURCE, KERNEL_SOURCE, TOOLCHAIN),
    single=(FIRMWARE_PATCHES, FIRMWARE_SOURCE, KERNEL_SOURCE),
)

_INPUT_MAX = 512 * 1024 * 1024  # bytes of one input
_NAME = r"[a-z0-9][a-z0-9+._-]{0,127}"
_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+~:-]{0,127}"
_PATH = r"[0-9A-Za-z][0-9A-Za-z.+~_%-]{0,199}(/[0-9A-Za-z][0-9A-Za-z.+~_%-]{0,199}){0,7}"
_HEADS = {
    "inputs.lock": """\
# The inputs of the guest image, by content. Written by `python -m pipeline.image relock`, and read
# only as that writes it.
""",
    "toolchain.lock": """\
# What kernel and firmware are compiled from, and with, by content. Written by
# `python -m pipeline.image relock --from-source`, and read only as that writes it.
""",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian suite that the packages were taken from, as signed at ``date``.

    ``inrelease_sha256`` is of the InRelease file whose signature apt has verified.
    """

    name: str
    date: datetime
    inrelease_sha256: bytes


@dataclass(frozen=True, slots=True)
class Input:
    """One file. ``path`` is below the root of the archive, or the file name of a wheel.

    ``size`` is in bytes; ``suite`` is empty for a wheel.
    """

    name: str
    version: str
    architecture: str
    role: str
    suite: str
    path: str
    size: int
    sha256: bytes

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """All inputs in the order of their names, and the suites that vouched for the packages."""

    suites: tuple[Suite, ...]
    inputs: tuple[Input, ...]
    form: LockForm = IMAGE_LOCK

    def of_role(self, role: str) -> tuple[Input, ...]:
        """The inputs of one role."""
        return tuple(item for item in self.inputs if item.role == role)


def parse_lock(raw: bytes, form: LockForm = IMAGE_LOCK) -> Lock:
    """Read the lock of that form.

    Raises PolicyError: a member that is missing, unknown or of another form, two versions of an
    input, no or two inputs of a role that has one, an unknown suite, another spelling.
    """
    what = form.name
    if len(raw) > LOCK_MAX:
        raise PolicyError(what, expected=f"at most {LOCK_MAX} bytes", got=f"{len(raw)} bytes")
    try:
        table = tomllib.loads(parse_utf8(raw, what=what))
    except (ParseError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(what, expected="TOML in UTF-8", got=str(error)) from None
    document = JsonObject(table, what=what, error=PolicyError)
    document.choice("schema", (LOCK_SCHEMA,))
    suites = tuple(_suite(item) for item in document.objects("suite"))
    inputs = tuple(_input(item, form) for item in document.objects("input", minimum=1))
    document.end()
    lock = Lock(suites, inputs, form)
    _check_inputs(lock)
    if encode_lock(lock) != raw:
        hint = f"do not edit the lock; run {form.relock}"
        got = "another spelling or order"
        raise PolicyError(what, expected="what relock writes", got=got, hint=hint)
    return lock


def _suite(item: JsonObject) -> Suite:
    suite = Suite(
        name=item.text("name", pattern=r"[a-z]{1,32}"),
        date=item.timestamp("date"),
        inrelease_sha256=item.hex("inrelease-sha256", size=32),
    )
    item.end()
    return suite


def _input(item: JsonObject, form: LockForm) -> Input:
    result = Input(
        name=item.text("name", pattern=_NAME),
        version=item.text("version", pattern=_VERSION),
        architecture=item.text("architecture", pattern=r"amd64|all|any|source"),
        role=item.choice("role", form.roles),
        suite=item.text("suite", pattern=r"[a-z]{0,32}"),
        path=item.text("path", pattern=_PATH),
        size=item.integer("size", minimum=1, maximum=_INPUT_MAX),
        sha256=item.hex("sha256", size=32),
    )
    item.end()
    return result


def _check_inputs(lock: Lock) -> None:
    what = lock.form.name
    known = {suite.name for suite in lock.suites}
    seen: dict[str, Input] = {}
    for item in lock.inputs:
        other = seen.setdefault(item.name, item)
        if other is not item:
            got = f"{other.version} and {item.version}"
            raise PolicyError(f"{what}, {item.name}", expected="one version", got=got)
        if (item.suite not in known) if item.role != WHEEL else item.suite:
            expected = "no suite" if item.role == WHEEL else "a suite of the lock"
            got = item.suite or "none"
            raise PolicyError(f"{what}, {item.name}.suite", expected=expected, got=got)
    for role in lock.form.single:
        count = len(lock.of_role(role))
        if count != 1:
            raise PolicyError(f"{what}, role {role}", expected="one input", got=str(count))


def encode_lock(lock: Lock) -> bytes:
    """The one spelling of a lock: suites and inputs in the order of their names."""
    parts = [_HEADS[lock.form.name], f'schema = "{LOCK_SCHEMA}"\n']
    for suite in sorted(lock.suites, key=lambda suite: suite.name):
        date = suite.date.strftime("%Y-%m-%dT%H:%M:%SZ")
        parts.append(
            f'\n[[suite]]\nname = "{suite.name}"\ndate = "{date}"\n'
            f'inrelease-sha256 = "{suite.inrelease_sha256.hex()}"\n'
        )
    parts += [_encode_input(item) for item in sorted(lock.inputs, key=lambda item: item.name)]
    return "".join(parts).encode("ascii")


def _encode_input(item: Input) -> str:
    return (
        f'\n[[input]]\nname = "{item.name}"\nversion = "{item.version}"\n'
        f'architecture = "{item.architecture}"\nrole = "{item.role}"\n'
        f'suite = "{item.suite}"\npath = "{item.path}"\n'
        f'size = {item.size}\nsha256 = "{item.sha256.hex()}"\n'
    )
