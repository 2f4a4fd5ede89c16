"""Run as a script in front of every program that the driver starts: limit it, lower it, tie it.

The arguments are the driver's process id, the user to become (empty: stay), and the program with
its own arguments. The program is killed by the kernel when the driver ends, however it ends
(prctl(2), PR_SET_PDEATHSIG). Standard library only, because the interpreter runs it isolated.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import signal
import sys

__all__ = ["FILE_LIMIT", "main"]

FILE_LIMIT = 4 * 1024 * 1024
"""Most bytes that the program may write into any one file, such as the guest's console."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(arguments: list[str]) -> None:
    """Become the program. Raises OSError or KeyError where that cannot be done."""
    parent, user, *program = arguments
    os.umask(0o077)
    # 0 stops no dump into a program (core_pattern with a pipe), 1 does (Linux, fs/coredump.c).
    core = 0 if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (core, core))
    # The interpreter ignores SIGXFSZ and the program inherits that: beyond the limit a write
    # fails, and a guest that floods its console does not end its machine.
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
    if user:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    # Last, because a change of user clears it.
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if str(os.getppid()) != parent:
        sys.exit("the driver is gone")
    os.execv(program[0], program)  # noqa: S606 - no shell is what is wanted


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


if __name__ == "__main__":
    main(sys.argv[1:])
