"""The main job, told as it happens. Run by ``make demo``.

Every line that begins with ``$`` is a command that anyone can type. The platform is simulated and
its vendor keys are synthetic, so the verdict proves nothing about hardware, and says so; every
other check is the real one.
"""

from __future__ import annotations

import sys
import time

from demo import reference, toy
from demo.provisions import Reach, reach
from demo.shell import fresh_folder, say

__all__ = ["main"]


def main() -> int:
    """Run the demo as far as this machine allows; the exit code is that of the last verdict."""
    start = time.monotonic()
    fresh_folder()
    say("what this machine has")
    level = reach()
    print(f"  level: {level.value}", flush=True)
    code = toy.main() if level is Reach.REPORT else reference.main(level)
    print(f"\n== {time.monotonic() - start:.0f} s; level: {level.value}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
