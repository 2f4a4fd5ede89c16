"""Makes the lock of the toolchain anew from what Debian's suite has today.

The recipe names packages; apt says what they depend on; the suite's signed indexes say what each
is. As in ``pipeline.image.relocking``, the suite's date and digest go into the lock.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.image.apt import AptRoot, open_root
from pipeline.image.compile.recipe import (
    FIRMWARE_SOURCE_PACKAGE,
    KERNEL_SOURCE_PACKAGE,
    SUITE_OF_TOOLCHAIN,
    TOOLCHAIN_PACKAGES,
)
from pipeline.image.lock import (
    FIRMWARE_PATCHES,
    FIRMWARE_SOURCE,
    KERNEL_SOURCE,
    TOOLCHAIN,
    TOOLCHAIN_LOCK,
    Input,
    Lock,
)
from pipeline.image.relocking import package_input, signed_suite
from verifier.errors import ParseError, PolicyError
from verifier.tlog.strict import excerpt, parse_decimal, parse_hex

__all__ = ["check_toolchain", "make_toolchain_lock", "source_inputs"]

_Say = Callable[[str], None]

_FIELD = re.compile(r"^(Version|Directory): (\S+)$", re.MULTILINE)
_FILE = re.compile(r"^ ([0-9a-f]{64}) ([0-9]+) (\S+)$", re.MULTILINE)
_TARS = (
    (FIRMWARE_SOURCE, "orig", ".orig.tar.xz"),
    (FIRMWARE_PATCHES, "debian", ".debian.tar.xz"),
)


def make_toolchain_lock(*, mirror: str, keyring: Path, say: _Say) -> Lock:
    """The lock of today; as ``pipeline.image.relocking.make_lock``."""
    with tempfile.TemporaryDirectory(prefix="cvm-image-relock-") as name:
        say(f"fetching the indexes of {SUITE_OF_TOOLCHAIN}, with sources")
        root = open_root(
            Path(name), mirror=mirror, suite=SUITE_OF_TOOLCHAIN, keyring=keyring, sources=True
        )
        inputs = [*_packages(root), *source_inputs(root.source_stanza(FIRMWARE_SOURCE_PACKAGE))]
        suite = signed_suite(root)
    return Lock((suite,), tuple(sorted(inputs, key=lambda item: item.name)), TOOLCHAIN_LOCK)


def _packages(root: AptRoot) -> list[Input]:
    names = root.closure(TOOLCHAIN_PACKAGES)
    roles = dict.fromkeys(names, TOOLCHAIN) | {KERNEL_SOURCE_PACKAGE: KERNEL_SOURCE}
    return [
        package_input(fields, role=roles[fields["Package"]], suite=root.suite)
        for fields in root.stanzas(tuple(roles))
    ]


def source_inputs(stanza: str) -> tuple[Input, ...]:
    """The two tars of edk2's source package as its entry in the index names them.

    Raises ParseError.
    """
    what = f"source package {FIRMWARE_SOURCE_PACKAGE}"
    fields = dict(_FIELD.findall(stanza))
    if sorted(fields) != ["Directory", "Version"]:
        got = ", ".join(sorted(fields)) or "nothing"
        raise ParseError(what, expected="Directory and Version", got=got)
    files = _FILE.findall(stanza)
    found = []
    for role, part, ending in _TARS:
        matching = [file for file in files if file[2].endswith(ending)]
        if len(matching) != 1:
            got = excerpt(", ".join(file[2] for file in matching) or "none")
            raise ParseError(what, expected=f"one *{ending}", got=got)
        digest, size, name = matching[0]
        found.append(
            Input(
                name=f"{FIRMWARE_SOURCE_PACKAGE}-{part}",
                version=fields["Version"],
                architecture="source",
                role=role,
                suite=SUITE_OF_TOOLCHAIN,
                path=f"{fields['Directory']}/{name}",
                size=parse_decimal(size, what=f"{what}, size"),
                sha256=parse_hex(digest, what=f"{what}, SHA-256", size=32),
            )
        )
    return tuple(found)


def check_toolchain(lock: Lock) -> None:
    """Raise PolicyError unless the lock pins what the recipe names."""
    for role, wanted in (
        (TOOLCHAIN, TOOLCHAIN_PACKAGES),
        (KERNEL_SOURCE, (KERNEL_SOURCE_PACKAGE,)),
    ):
        locked = {item.name for item in lock.of_role(role)}
        for name in wanted:
            if name not in locked:
                what, hint = f"toolchain.lock, role {role}", "run relock --from-source"
                raise PolicyError(
                    what, expected=f"{name} among the inputs", got="it is missing", hint=hint
                )
