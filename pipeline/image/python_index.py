"""Wheels as pip reaches them, with the machine's pip configuration or an index that was named.

pip only downloads: nothing is built or installed, and what comes is held against the lock.
Source: pip's user guide, "pip download".
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from verifier.errors import FetchError
from verifier.tlog.strict import excerpt

__all__ = ["download_wheels"]

_PYTHON = "3.13"
# pip takes each tag literally; older tags run on a newer glibc (PEP 600).
_PLATFORMS = tuple(
    f"{tag}_x86_64"
    for tag in ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
)
_SECONDS = 600.0


def download_wheels(
    pins: Sequence[tuple[str, str, bytes | None]], folder: Path, *, index: str | None
) -> tuple[Path, ...]:
    """Fetch wheels into ``folder``, which must be empty, and give their paths in the order of pins.

    A pin is a normalised name, a version, and the SHA-256 of the one file that is taken, or None
    where the index is believed. Raises FetchError.
    """
    listed = folder / "requirements.txt"
    listed.write_text("".join(_requirement(*pin) for pin in pins), "ascii")
    platforms = [part for tag in _PLATFORMS for part in ("--platform", tag)]
    chosen = ["--isolated", "--index-url", index] if index else []
    command = [
        *(sys.executable, "-m", "pip", *chosen, "--disable-pip-version-check", "--no-input"),
        *("download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", _PYTHON),
        *(*platforms, "--dest", str(folder), "--requirement", str(listed)),
    ]
    what = ", ".join(f"{name} {version}" for name, version, _ in pins)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, with arguments made here
            command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        got = f"no end in {_SECONDS:g} s"
        raise FetchError(f"pip, {what}", expected="wheels", got=got) from None
    if done.returncode:
        hint = "give --index URL or --bundle FILE"
        got = _reason(done.stderr)
        raise FetchError(f"pip, {what}", expected="wheels", got=got, hint=hint)
    return tuple(_wheel(folder, name, version) for name, version, _ in pins)


def _requirement(name: str, version: str, sha256: bytes | None) -> str:
    # One digest in the list makes pip ask for one of every file (--require-hashes).
    digest = f" --hash=sha256:{sha256.hex()}" if sha256 else ""
    return f"{name}=={version}{digest}\n"


def _wheel(folder: Path, name: str, version: str) -> Path:
    found = list(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if len(found) != 1:
        what = f"pip, {name} {version}"
        raise FetchError(what, expected="one wheel of that name", got=str(len(found)))
    return found[0]


def _reason(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
    return excerpt(errors[-1].strip(), limit=200) if errors else "failure without a word"
