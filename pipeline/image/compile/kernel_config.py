"""Holds the configuration that the kernel is compiled with against what the recipe asks for.

``make olddefconfig`` drops an option whose dependencies are not met without a word, and with it a
protection. Source: the kernel's Documentation/kbuild/kconfig.rst; scripts/kconfig/merge_config.sh.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifier.errors import ParseError, VerificationError
from verifier.tlog.strict import excerpt, parse_utf8

__all__ = ["OFF", "check_kernel_config", "parse_kernel_config"]

OFF = "n"
"""Value of an option that is not set."""

_SET = re.compile(r'(CONFIG_[A-Z0-9_a-z]+)=(y|-?[0-9]+|0x[0-9a-f]+|"[^"\\]*")', re.ASCII)
_NOT_SET = re.compile(r"# (CONFIG_[A-Z0-9_a-z]+) is not set", re.ASCII)


def parse_kernel_config(raw: bytes, *, what: str) -> dict[str, str]:
    """Option to value, as the file writes it.

    Raises ParseError for a line that is neither, for a module, and for an option that is named
    twice; ``what`` names the file.
    """
    options: dict[str, str] = {}
    for number, line in enumerate(parse_utf8(raw, what=what).splitlines(), start=1):
        where = f"{what}, line {number}"
        found, unset = _SET.fullmatch(line), _NOT_SET.fullmatch(line)
        if found is not None:
            name, value = found[1], found[2]
        elif unset is not None:
            name, value = unset[1], OFF
        elif not line or line.startswith("#"):
            continue
        else:
            raise ParseError(where, expected="an option or a comment", got=excerpt(line))
        if name in options:
            raise ParseError(where, expected=f"{name} once", got="it is there already")
        options[name] = value
    return options


def check_kernel_config(found: Mapping[str, str], *, wanted: Mapping[str, str]) -> None:
    """Raise VerificationError that names the first option of ``wanted`` that ``found`` lacks.

    An option that ``found`` does not mention is not set.
    """
    for name, value in wanted.items():
        got = found.get(name, OFF)
        if got != value:
            hint = "another source or toolchain? see what the option depends on"
            raise VerificationError(
                f"kernel configuration, {name}", expected=value, got=got, hint=hint
            )
