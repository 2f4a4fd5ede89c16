"""Ways in which two machines differ, and none of which may show in an image."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ARTIFACTS = (
    *("command-line.txt", "firmware.fd", "guest-policy.json", "initrd.bin", "kernel-config.txt"),
    *("kernel.bin", "manifest.json", "sbom.json"),
)


@dataclass(frozen=True, slots=True)
class Variation:
    """A machine: what stands before the command, environment, umask, user, where the source lies.

    ``needs`` are the programs and rights without which it cannot be had here.
    """

    name: str
    before: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    user: str | None = None
    folder: str = ""
    shuffled: bool = False
    python: str = sys.executable
    needs: tuple[str, ...] = ()

    def missing(self) -> str:
        """What this machine lacks for it, or nothing."""
        for need in self.needs:
            if need == "root":
                if os.getuid():
                    return "root"
            elif shutil.which(need) is None and not Path(need).exists():
                return need
        return ""


# Without its wrapper, which fails on what an earlier one of the same process number left behind.
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("/no/libfaketime"))
_SHELL_HOST = 'hostname elsewhere && exec "$@"'

VARIATIONS = (
    Variation("time zone", environment={"TZ": "Pacific/Kiritimati"}),
    Variation("umask", umask=0o077),
    Variation("locale", environment={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    Variation("hash seed", environment={"PYTHONHASHSEED": "4242"}),
    Variation("optimised", environment={"PYTHONOPTIMIZE": "2", "PYTHONUTF8": "0"}),
    Variation("folder", folder="another folder, with blanks/and depth"),
    Variation(
        "time",
        environment={"LD_PRELOAD": str(_FAKETIME), "FAKETIME": "+3y"},
        needs=(str(_FAKETIME),),
    ),
    Variation("one processor", before=("taskset", "-c", "0"), needs=("taskset",)),
    Variation(
        "host name, no network",
        before=("unshare", "--uts", "--net", "sh", "-c", _SHELL_HOST, "sh"),
        needs=("unshare", "hostname", "root"),
    ),
    Variation("shuffled", shuffled=True, folder="shuffled", needs=("disorderfs", "root")),
    Variation(
        "all of it, as nobody",
        environment={
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME": "-5y",
            "TZ": "America/St_Johns",
            "PYTHONHASHSEED": "7",
            "LC_ALL": "C",
        },
        umask=0o027,
        user="nobody",
        folder="nobody's folder",
        shuffled=True,
        python="/usr/bin/python3",
        needs=(str(_FAKETIME), "disorderfs", "root", "/usr/bin/python3"),
    ),
)


def copy_source(tree: Path, folder: Path) -> Path:
    """The source tree in another folder, with other times."""
    for name in ("pipeline", "verifier"):
        shutil.copytree(tree / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for number, path in enumerate(sorted(folder.rglob("*"))):
        os.utime(path, (number, number))
        path.chmod(path.stat().st_mode | 0o044 | (0o011 if path.is_dir() else 0))
    return folder


@contextlib.contextmanager
def shuffling(folder: Path) -> Iterator[Path]:
    """``folder`` seen through a file system that lists its entries in random order."""
    view = folder.with_name(folder.name + " seen")
    view.mkdir()
    subprocess.run(
        ["disorderfs", "--shuffle-dirents=yes", "--multi-user=yes", str(folder), str(view)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield view
    finally:
        subprocess.run(["fusermount", "-u", str(view)], check=True)


@contextlib.contextmanager
def source_of(variation: Variation, tree: Path, base: Path) -> Iterator[Path]:
    """The source tree as the variation has it, below ``base``."""
    if not variation.folder:
        yield tree
        return
    folder = base / variation.folder
    folder.mkdir(parents=True)
    copy_source(tree, folder)
    if not variation.shuffled:
        yield folder
        return
    with shuffling(folder) as view:
        yield view


def build(
    variation: Variation,
    base: Path,
    *,
    tree: Path,
    lock: Path,
    store: Path,
    policy: Path,
    options: tuple[str, ...] = (),
) -> tuple[dict[str, bytes], float]:
    """Build in the way of ``variation`` below ``base``, and give the artifacts and the seconds."""
    out = base / f"out of {variation.name}"
    out.mkdir()
    if variation.user:
        account = pwd.getpwnam(variation.user)
        os.chown(out, account.pw_uid, account.pw_gid)
    with source_of(variation, tree, base) as source:
        command = [
            *variation.before,
            *(variation.python, "-m", "pipeline.image", "build", "--offline"),
            *("--out", str(out / "image"), "--policy", str(policy)),
            *("--lock", str(lock), "--store", str(store)),
            *options,
        ]
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=source,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | variation.environment,
            umask=variation.umask,
            user=variation.user,
            group="nogroup" if variation.user else None,
            extra_groups=[] if variation.user else None,
            capture_output=True,
            check=False,
            timeout=300,
        )
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr.decode()
    made = {path.name: path.read_bytes() for path in (out / "image").iterdir()}
    assert sorted(made) == sorted(ARTIFACTS)
    return made, seconds
