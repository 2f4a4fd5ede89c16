"""What a role gives up before it reads the first byte of a stranger."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from verifier.errors import PolicyError

__all__ = ["MAX_UID", "limit", "lower", "tie"]

MAX_UID = 2**32 - 2
"""Highest number that a user or a group can have."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # prctl(2)
_MAX_FILES = 65_536


def limit() -> None:
    """Files for the owner only, no dump of memory that holds keys, no new rights by programs.

    And as many open files as we may have: each connection is one, each tunnel another. A limit of
    0 stops no dump into a program (``core_pattern`` with a pipe); 1 does (Linux, fs/coredump.c).
    """
    os.umask(0o077)
    most = min(_MAX_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Nobody but root may raise a limit that is 0 already.
    core = 0 if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (core, core))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def lower(uid: int | None) -> None:
    """Become ``uid``, with the group of the same number and no other; None: stay who we are.

    What is open stays open. Raises PolicyError unless we are root, or for a uid that is none.
    """
    if uid is None:
        return
    # The number after MAX_UID is -1 to the kernel: setresuid(2) takes it for "no change".
    if os.geteuid() != 0 or not 1 <= uid <= MAX_UID:
        got = f"uid {os.geteuid()} that should become {uid}"
        raise PolicyError("--uid", expected="root that becomes somebody else", got=got)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as error:  # a user namespace that does not have this uid
        got = error.strerror or "an error"
        raise PolicyError("--uid", expected=f"to become {uid}", got=got) from error


def tie(parent: int | None) -> None:
    """Let the kernel end us when process ``parent``, which started us, ends; None: do not.

    After ``lower``, because a change of user unties. Raises PolicyError if it has ended already.
    """
    if parent is None:
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise PolicyError("--parent", expected=f"process {parent}", got=f"{os.getppid()}")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
