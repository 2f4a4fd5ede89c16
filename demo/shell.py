"""How the demo runs a command: it shows it, shows what it says as it says it, and checks the exit.

``@/`` in a command stands for the demo's own folder, which is made anew by every run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

__all__ = ["ROOT", "WORK", "command", "fresh_folder", "run", "say", "write"]

ROOT = Path(__file__).resolve().parents[1]
WORK = Path("work-demo")
_BIN = Path(os.path.relpath(Path(sys.executable).parent, ROOT))


def fresh_folder() -> None:
    """Work in the root of the tree, in an empty folder of our own."""
    os.chdir(ROOT)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()


def say(what: str) -> None:
    """Tell what comes next."""
    print(f"\n== {what}", flush=True)


def write(name: str, content: bytes) -> None:
    """Write a file of the demo's folder."""
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def command(text: str) -> list[str]:
    """Show a command line and split it."""
    words = shlex.split(text.replace("@/", f"{WORK}/"))
    words[0] = str(_BIN / words[0])
    print(f"$ {shlex.join(words)}", flush=True)
    return words


def run(text: str, *, expect: Sequence[int] = (0,), show: Callable[[str], str] = str) -> str:
    """Run a command; its stderr appears at once, its stdout at the end through ``show``.

    SystemExit if it ends otherwise than with one of ``expect``. Returns its stdout.
    """
    with subprocess.Popen(
        command(text), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        telling = threading.Thread(target=_tell, args=(child.stderr,))
        telling.start()
        output = child.stdout.read()
        telling.join()
    wanted = child.returncode in expect
    for line in (show(output) if wanted else output).splitlines():
        print(f"  {line}", flush=True)
    if not wanted:
        raise SystemExit(f"exit {child.returncode} (expected {' or '.join(map(str, expect))})")
    return output


def _tell(lines: IO[str]) -> None:
    for line in lines:
        print(f"  {line}", end="", flush=True)
