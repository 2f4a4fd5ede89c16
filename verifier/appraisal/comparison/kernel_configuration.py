"""Where two kernel configurations differ: the option, and its value on both sides.

Source: Linux, Documentation/kbuild/kconfig-language.rst and scripts/kconfig (the form of .config).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_utf8

__all__ = ["MAX_CONFIGURATION", "kernel_options"]

MAX_CONFIGURATION = 4 * 1024 * 1024
"""Most bytes of a configuration that is read by its options."""

_SET = re.compile(r"CONFIG_(?P<name>[0-9A-Za-z_]+)=(?P<value>[ -~\t]+)")
_NOT_SET = re.compile(r"# CONFIG_(?P<name>[0-9A-Za-z_]+) is not set")
_OFF = "n"


def kernel_options(raw: bytes) -> Mapping[str, str]:
    """Option to value, in the order of the file; ``n`` for one that is said not to be set.

    Raises ParseError for a line that is none of a configuration, and an option that is there twice.
    """
    what = "kernel configuration"
    if len(raw) > MAX_CONFIGURATION:
        raise ParseError(what, expected=f"at most {MAX_CONFIGURATION} bytes", got="more")
    options: dict[str, str] = {}
    for number, line in enumerate(parse_utf8(raw, what=what).split("\n"), start=1):
        found = _SET.fullmatch(line) or _NOT_SET.fullmatch(line)
        if found is None:
            if line and not line.startswith("#"):
                got = excerpt(line)
                raise ParseError(f"{what}, line {number}", expected="CONFIG_NAME=VALUE", got=got)
            continue
        if found["name"] in options:
            got = f"{found['name']} twice"
            raise ParseError(f"{what}, line {number}", expected="each option once", got=got)
        options[found["name"]] = found.groupdict().get("value", _OFF)
    return options
