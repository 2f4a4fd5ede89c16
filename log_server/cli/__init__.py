"""The command line of the record: ``cvm-log``.

Rules of the terminal: stdout is data, stderr is for people; errors begin with ``cvm-log:`` and say
what, got and expected; a hint stands on its own line; no traceback is ever shown. Exit codes: 0
done or sound, 1 refused or damaged, 2 usage or unusable configuration, 3 could not be fetched,
70 a bug.
"""

from __future__ import annotations

from log_server.cli.app import main

__all__ = ["main"]
