"""Adapters that misbehave, one a word: ``python adapters.py WORD``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

SCHEMA = "cvm-audit/conformance-answer/v1"


def say(outcome: str, code: int, **more: object) -> int:
    """An answer, and an exit code that need not agree."""
    sys.stdout.write(json.dumps({"schema": SCHEMA, "outcome": outcome} | more))
    return code


def flood() -> int:
    """Prints without end."""
    while True:
        sys.stdout.write("x" * 65536)


def hang() -> int:
    """Never answers."""
    time.sleep(600)
    return 0


def orphan() -> int:
    """Answers, and leaves a child behind that would write a file later."""
    mark = sys.argv[2]
    late = f"import time; time.sleep(1); open({mark!r}, 'w').close()"
    subprocess.Popen([sys.executable, "-c", late])
    return say("accepted", 0)


def environment() -> int:
    """Says which variables it sees."""
    return say("accepted", 0, reason=" ".join(sorted(os.environ)))


ADAPTERS = {
    "accept": lambda: say("accepted", 0),
    "reject": lambda: say("rejected", 10),
    "unsupported": lambda: say("unsupported", 20),
    "malformed": lambda: say("malformed", 30),
    "lie": lambda: say("accepted", 10),
    "names": lambda: say("rejected", 10, checks=["snp.vmpl"]),
    "crash": lambda: 1 // 0,
    "silent": lambda: 0,
    "garbage": lambda: sys.stdout.write("accepted") and 0,
    "twice": lambda: say("accepted", 0) or say("accepted", 0),
    "unknown-member": lambda: say("accepted", 0, score=1),
    "other-word": lambda: say("fine", 0),
    "other-code": lambda: say("accepted", 3),
    "killed": lambda: os.kill(os.getpid(), 9),
    "long": lambda: say("accepted", 0) or (sys.stdout.write(" " * 2**20) and 0),
    "flood": flood,
    "hang": hang,
    "orphan": orphan,
    "environment": environment,
}

if __name__ == "__main__":
    sys.exit(ADAPTERS[sys.argv[1]]())
