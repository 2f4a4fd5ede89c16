"""The system calls that PID 1 needs and Python does not offer, and the network's ioctls.

Sources: mount(2), finit_module(2), reboot(2), prctl(2), netdevice(7); numbers of x86-64 Linux.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

__all__ = [
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_RDONLY",
    "MS_REMOUNT",
    "bring_up",
    "load_module",
    "mount",
    "power_off",
    "refuse_dumps",
]

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32

_FINIT_MODULE = 313
_POWER_OFF = 0x4321FEDC
_PR_SET_DUMPABLE = 4
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_IFF_UP = 1
_FLAGS = struct.Struct("16s H 22x")
_ADDRESS = struct.Struct("16s H 2x 4s 16x")

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount, or with MS_REMOUNT change a mount. Raises OSError."""
    texts = (source, target, kind, options)
    source_raw, target_raw, kind_raw, options_raw = (os.fsencode(text) for text in texts)
    _check(
        _libc.mount(source_raw, target_raw, kind_raw, ctypes.c_ulong(flags), options_raw), target
    )


def load_module(path: str) -> None:
    """Load the kernel module in the file at ``path``, without parameters. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syscall(_FINIT_MODULE, descriptor, b"", 0), path)
    finally:
        os.close(descriptor)


def power_off() -> None:
    """Switch the machine off, now. Raises OSError."""
    _check(_libc.reboot(ctypes.c_int(_POWER_OFF)), "reboot")


def refuse_dumps() -> None:
    """Let nobody attach to or dump this program. Raises OSError."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def bring_up(interface: str, address: str, netmask: str) -> None:
    """Give ``interface`` an IPv4 address and switch it on. Raises OSError."""
    name = interface.encode("ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, text in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, netmask)):
            packed = _ADDRESS.pack(name, socket.AF_INET, socket.inet_aton(text))
            fcntl.ioctl(control, request, packed)
        flags = fcntl.ioctl(control, _SIOCGIFFLAGS, _FLAGS.pack(name, 0))
        (_, old) = _FLAGS.unpack(flags)
        fcntl.ioctl(control, _SIOCSIFFLAGS, _FLAGS.pack(name, old | _IFF_UP))


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
