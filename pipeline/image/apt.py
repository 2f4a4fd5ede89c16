"""Debian's archive as apt reaches it, without touching the machine's own apt state.

The mirror, proxies and credentials are those of the machine's apt configuration, or a mirror that
was named; nothing here knows a host. Everything else (lists, cache, status) is a private folder.
Fetched bytes are held against the lock, so a mirror is believed nothing; what a *relock* takes
from a suite is vouched for by the suite's signature, which apt verifies under Debian's keyring.
Source: apt-get(8), apt.conf(5), sources.list(5).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import FetchError
from verifier.tlog.strict import excerpt

__all__ = ["KEYRING", "AptRoot", "download", "machine_mirrors", "open_root"]

_ARCHITECTURE = "amd64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Debian's keys, as its package debian-archive-keyring installs them."""

_HELPER = Path("/usr/lib/apt/apt-helper")
_SECONDS = 900.0
_RELEASE = re.compile(r"^'([^']+)/dists/([a-z-]+)/InRelease' ", re.MULTILINE)
_FIELD = re.compile(r"^([A-Z][A-Za-z0-9-]*): (.*)$", re.MULTILINE)
_INSTALLED = re.compile(r"^Inst (\S+) \(", re.MULTILINE)
_SUITES = frozenset(
    (
        *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
        *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
    )
)
_MISSING = "install apt, or give --mirror URL or --bundle FILE"


@dataclass(frozen=True, slots=True)
class AptRoot:
    """A private apt state that knows one suite of one mirror."""

    folder: Path
    suite: str

    def stanza(self, package: str) -> dict[str, str]:
        """The fields of a package as the suite's index gives them. FetchError if it has none."""
        (fields,) = self.stanzas((package,))
        return fields

    def stanzas(self, packages: Sequence[str]) -> tuple[dict[str, str], ...]:
        """As ``stanza``, of several packages in one step."""
        what = f"package {', '.join(packages)} in {self.suite}"
        text = self._run("apt-cache", "show", "--no-all-versions", *packages, what=what)
        found: dict[str, dict[str, str]] = {}
        for part in text.split("\n\n"):
            fields = dict(_FIELD.findall(part))
            found.setdefault(fields.get("Package", ""), fields)
        for package in packages:
            if package not in found:
                got = ", ".join(found) or "nothing"
                raise FetchError(what, expected=f"the package {package}", got=excerpt(got))
        return tuple(found[package] for package in packages)

    def closure(self, packages: Sequence[str]) -> tuple[str, ...]:
        """What apt would install for ``packages`` on a machine that has nothing. FetchError."""
        options = ("--simulate", "--quiet=2", "--no-install-recommends")
        what = f"dependencies in {self.suite}"
        text = self._run("apt-get", "install", *options, *packages, what=what)
        return tuple(dict.fromkeys(_INSTALLED.findall(text)))

    def source_stanza(self, package: str) -> str:
        """The entry of a source package in the suite's index, as text. FetchError if not one."""
        what = f"source package {package} in {self.suite}"
        text = self._run("apt-cache", "showsrc", "--only-source", package, what=what)
        found = [part for part in text.split("\n\n") if part.strip()]
        if len(found) != 1:
            raise FetchError(what, expected="one version", got=str(len(found)))
        return found[0]

    def in_release(self) -> bytes:
        """The suite's InRelease file, whose signature apt has verified."""
        found = list((self.folder / "lists").glob(f"*_dists_{self.suite}_InRelease"))
        if len(found) != 1:
            raise FetchError(self.suite, expected="one InRelease", got=str(len(found)))
        return found[0].read_bytes()

    def update(self) -> None:
        """Fetch the index and hold it against the suite's signature. Raises FetchError."""
        # Without the option apt would call a mirror that does not answer a warning.
        self._run("apt-get", "update", "-qq", "--error-on=any", what=f"index of {self.suite}")

    def _run(self, program: str, *arguments: str, what: str) -> str:
        options = {
            "Dir::Etc::SourceList": str(self.folder / "sources.list"),
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": str(self.folder),
            "Dir::State::Lists": str(self.folder / "lists"),
            "Dir::State::Status": str(self.folder / "status"),
            "Dir::Cache": str(self.folder / "cache"),
            "APT::Architecture": _ARCHITECTURE,
            "APT::Architectures": _ARCHITECTURE,
            "Acquire::Languages": "none",
            # Debian's testing is signed for a week only. Which one it was stands in the lock.
            "Acquire::Check-Valid-Until": "false",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return _run(program, [*flags, *arguments], what=what)


def open_root(
    folder: Path, *, mirror: str, suite: str, keyring: Path, sources: bool = False
) -> AptRoot:
    """Fetch the index of a suite into ``folder``, which must be empty; ``sources`` too if asked.

    Raises FetchError, also for a suite that no key of ``keyring`` has signed.
    """
    if not keyring.is_file():
        hint = "install debian-archive-keyring, or give --keyring FILE"
        raise FetchError(str(keyring), expected="Debian's keys", got="no such file", hint=hint)
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    options = f"[arch={_ARCHITECTURE} signed-by={keyring}]"
    kinds = ("deb", "deb-src") if sources else ("deb",)
    lines = [f"{kind} {options} {mirror} {suite} main\n" for kind in kinds]
    (folder / "sources.list").write_text("".join(lines), "utf-8")
    root = AptRoot(folder, suite)
    root.update()
    return root


def machine_mirrors() -> tuple[str, ...]:
    """The mirrors of Debian's archive in the machine's apt configuration, in their order.

    Raises FetchError on a machine without apt, or whose apt knows no suite of Debian.
    """
    text = _run("apt-get", ["update", "--print-uris"], what="apt-get")
    found = [mirror for mirror, suite in _RELEASE.findall(text) if suite in _SUITES]
    if not found:
        expected = "a suite of Debian in apt's configuration"
        hint = "give --mirror URL or --bundle FILE"
        raise FetchError("apt", expected=expected, got="none", hint=hint)
    return tuple(dict.fromkeys(found))


def download(url: str, target: Path, *, sha256: bytes) -> None:
    """Fetch ``url`` with apt's own transports into ``target``. Raises FetchError."""
    if not _HELPER.is_file():
        raise FetchError("apt", expected=str(_HELPER), got="it is missing", hint=_MISSING)
    arguments = ["download-file", url, str(target), f"SHA256:{sha256.hex()}"]
    _run(str(_HELPER), arguments, what="apt")


def _run(program: str, arguments: Sequence[str], *, what: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise FetchError("apt", expected=f"the program {program}", got="no such", hint=_MISSING)
    try:
        done = subprocess.run(  # noqa: S603 - apt, found by its name, with arguments made here
            [found, *arguments],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(what, expected="an end", got=f"none in {_SECONDS:g} s") from None
    if done.returncode:
        raise FetchError(what, expected="success", got=_reason(done.stderr))
    return done.stdout.decode("utf-8", "replace")


def _reason(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line[:2] == "E:"]
    return excerpt(lines[0][2:].strip(), limit=200) if lines else "failure without a word"
