"""Fuzzes every parser of the judge, each in a process of its own with bounded memory and time.

    python -m tests.fuzz.fuzz_parsers [--seconds N] [--jobs N] [PARSER...]

With atheris (`pip install atheris`) the fuzzing is guided by coverage; without it, inputs are
random edits of well-formed ones. Anything but AuditError, more than 1 GiB of memory, or 5 seconds
for one input ends the run with the input in a file.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.parsers import Parser, corpus, parsers
from tests.properties.mutators import edited

MEMORY = 1024**3
"""Most bytes that a process may take."""
SECONDS_FOR_ONE = 5
"""Most seconds for one input."""
_ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every parser of the judge.")
    parser.add_argument("names", nargs="*", metavar="PARSER", help="default: all")
    parser.add_argument("--seconds", type=int, default=10, help="for each parser")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or list(parsers())
    if arguments.here:
        return _edit(parsers()[names[0]], arguments.seconds)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        failed = [name for name in pool.map(lambda n: _run(n, arguments.seconds), names) if name]
    print(
        f"{len(names)} parsers, {arguments.seconds} s each; failed: {', '.join(failed) or 'none'}"
    )
    return int(bool(failed))


def _run(name: str, seconds: int) -> str:
    """Fuzz one parser in its process; the name if that failed."""
    guided = importlib.util.find_spec("atheris") is not None
    module = "tests.fuzz.guided" if guided else "tests.fuzz.fuzz_parsers"
    command = [sys.executable, "-m", module, name, "--seconds", str(seconds)]
    done = subprocess.run(
        command if guided else [*command, "--here"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    runs = [line for line in (done.stdout + done.stderr).splitlines() if "runs in" in line.lower()]
    said = runs[-1] if runs else f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    print(f"{name}: {said}", flush=True)
    return name if done.returncode else ""


def _edit(parser: Parser, seconds: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seeds, rng, runs = corpus(parser), random.Random(0), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = edited(rng, rng.choice(seeds))
        start = time.thread_time()
        parser(data)
        assert time.thread_time() - start < SECONDS_FOR_ONE, data[:200].hex()
        runs += 1
    print(f"Done {runs} runs in {seconds} second(s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
