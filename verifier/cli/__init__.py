"""The command line of the judge: the only clock, argv, stdout and exit codes.

Rules of the terminal: stdout is data, stderr is for people; errors begin with ``cvm-audit:``, are
lower case and have no full stop; a hint stands on its own line; nothing is wrapped; no traceback
is ever shown. Exit codes: 0 VERIFIED, 1 FAILED, 2 usage or an unusable policy, 3 NOT DETERMINED,
4 PARTIAL, 70 a bug.
"""

from __future__ import annotations

from verifier.cli.app import main

__all__ = ["main"]
