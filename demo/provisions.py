"""What this machine can show, and what it would need to show more.

Root on a Debian-like machine is helped: what is missing is installed. Anybody else is told what to
install, and the demo goes on at a lower level, which it names.
"""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
from pathlib import Path

from demo.shell import ROOT, command

__all__ = ["STORE", "Reach", "reach"]

STORE = ".inputs"
"""Folder of the image's inputs, which the tests use too and ``make clean`` leaves alone."""

_PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "bwrap": "bubblewrap"}


class Reach(enum.Enum):
    """How far the demo gets on this machine."""

    MACHINE = "the release boots, and its firmware refuses every other"
    BOOT = "the release boots, and its firmware refuses every other; it is not built again"
    PROCESS = "the release's program runs in a sandbox; nothing is measured at a boot"
    REPORT = "a toy release that boots nowhere, and a report about it"


def reach() -> Reach:
    """Install and fetch what is missing, as far as that is allowed here; what that leaves."""
    _install(_missing())
    left = _missing()
    if left:
        packages = " ".join(left.values())
        print(f"  not installed: {packages}; as root: apt-get install {packages}", flush=True)
    machine, sandbox = "qemu-system-x86_64" not in left, _sandbox_works()
    if not machine and not sandbox:
        return Reach.REPORT
    if not _fetch():
        print(
            "  the inputs of the image cannot be had here: docs/spec/image.md, Inputs", flush=True
        )
        return Reach.REPORT
    if not machine:
        return Reach.PROCESS
    return Reach.MACHINE if sandbox else Reach.BOOT


def _sandbox_works() -> bool:
    words = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", "true")
    if shutil.which(words[0]) is None:
        return False
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # In most containers, and in a chroot: the kernel allows no namespaces there.
        print(f"  no sandbox works here: {done.stderr.strip()}", flush=True)
    return done.returncode == 0


def _missing() -> dict[str, str]:
    return {name: package for name, package in _PACKAGES.items() if shutil.which(name) is None}


def _install(missing: dict[str, str]) -> None:
    if not missing or os.geteuid() != 0 or not Path("/usr/bin/apt-get").exists():
        return
    print(f"  installing {' '.join(missing.values())}", flush=True)
    # What it cannot install is missed afterwards, so its exit codes say nothing new.
    _apt("update")
    _apt("install", "-y", "--no-install-recommends", *missing.values())


def _apt(*words: str) -> None:
    subprocess.run(
        ["/usr/bin/apt-get", "-qq", *words],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )


def _fetch() -> bool:
    words = command(f"python -m pipeline.image fetch --store {STORE}")
    return subprocess.run(words, cwd=ROOT, check=False).returncode == 0
