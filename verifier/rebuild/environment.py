"""The two environments of a rebuild: as unlike as two auditors' machines.

What a build takes from its surroundings by mistake differs between them: the directory (one has a
blank in its name), umask, time zone, locale, host name, hash seed, user, and the clock where
libfaketime is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BuildEnvironment", "build_environments"]

_PATH = "/usr/local/bin:/usr/bin:/bin"
_FAKETIME = "/usr/lib"  # libfaketime.so.1 lies below, in a folder of the architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEnvironment:
    """One environment, and the ``name`` of its build.

    ``folder`` is the name of its directory, ``user`` a numeric id.
    """

    name: str
    folder: str
    umask: int
    host_name: str
    user: int
    variables: Mapping[str, str]

    @property
    def words(self) -> str:
        """The environment in one line."""
        told = ("TZ", "LC_ALL", "PYTHONHASHSEED", "FAKETIME")
        shown = (f"{name}={self.variables[name]}" for name in told if name in self.variables)
        return f"{self.folder!r}, umask {self.umask:03o}, user {self.user}, {' '.join(shown)}"


def build_environments() -> tuple[BuildEnvironment, BuildEnvironment]:
    """The first is plain, the second differs from it in everything that can be varied."""
    return (
        BuildEnvironment(
            name="first build",
            folder="first",
            umask=0o022,
            host_name="first",
            user=0,
            variables=_variables(zone="UTC", locale="C.UTF-8", seed="0"),
        ),
        BuildEnvironment(
            name="second build",
            folder="second build",
            umask=0o077,
            host_name="second.invalid",
            user=1000,
            variables=_variables(zone="Pacific/Kiritimati", locale="tr_TR.UTF-8", seed="4294967295")
            | _other_clock(),
        ),
    )


def _variables(*, zone: str, locale: str, seed: str) -> dict[str, str]:
    return {
        "HOME": "/nonexistent",
        "LC_ALL": locale,
        "PATH": _PATH,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": seed,
        "PYTHONNOUSERSITE": "1",
        "TZ": zone,
    }


def _other_clock() -> dict[str, str]:
    library = next(iter(sorted(Path(_FAKETIME).glob("*/faketime/libfaketime.so.1"))), None)
    return {} if library is None else {"FAKETIME": "+3y", "LD_PRELOAD": str(library)}
