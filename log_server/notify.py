"""Telling the service manager how far the program is (systemd's ``sd_notify`` protocol)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

__all__ = ["notify"]


def notify(state: str) -> None:
    """Send ``state``, such as ``READY=1``, to the manager that started this program, if one did.

    Source: sd_notify(3): a datagram to the socket that ``NOTIFY_SOCKET`` names, ``@`` standing
    for the zero byte of an abstract one. That it cannot be sent is no reason to stop serving.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        manager.sendall(state.encode())
