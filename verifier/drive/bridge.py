"""Run as a script inside the sandbox of a guest in process mode: the one door to its network.

The sandbox has a network of its own with nothing but loopback, so that no guest reaches out. This
script runs the node, and carries what connects to a Unix socket to the node's port. Standard
library only, because it runs with the interpreter of the image.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

__all__ = ["main"]

_START = """\
import sys
sys.path[0:0] = ["/usr/lib/cvm"]
sys.path.append("/usr/lib/cvm/packages")
from pipeline.node.cli import main
sys.exit(main())
"""
_PORT = 8443
_CHUNK = 65_536


def main(arguments: list[str]) -> None:
    """Arguments: the path of the socket, and the options of the node."""
    door, *options = arguments
    os.dup2(2, 1)  # all that the node prints is its console, which is kept and searched
    node = os.fork()
    if not node:
        program = [sys.executable, "-I", "-S", "-c", _START, *options]
        os.execv(program[0], program)  # noqa: S606 - no shell is what is wanted
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(door)
        listener.listen(8)
        threading.Thread(target=_carry_all, args=(listener,), daemon=True).start()
        os.waitpid(node, 0)


def _carry_all(listener: socket.socket) -> None:
    while True:
        outside = listener.accept()[0]
        try:
            inside = socket.create_connection(("127.0.0.1", _PORT))
        except OSError:
            outside.close()
            continue
        for pair in ((outside, inside), (inside, outside)):
            threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while part := source.recv(_CHUNK):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


if __name__ == "__main__":
    main(sys.argv[1:])
