"""``cvm-log serve`` in a process that starts quickly, because it is forked from a warm one."""

from __future__ import annotations

import multiprocessing
import os
import select
from multiprocessing.connection import Connection
from pathlib import Path

from log_server.cli.serve import command

__all__ = ["ServedLog"]

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["log_server.cli.serve"])
_SECONDS = 30.0


class ServedLog:
    """A running server for the log in ``root``; ``url`` is where."""

    def __init__(self, root: Path) -> None:
        said, saying = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_serve, args=(str(root), saying), daemon=True)
        self._process.start()
        saying.close()
        with said:
            self.url = _listening(said)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.join(_SECONDS)
        assert self._process.exitcode == -9

    def stop(self) -> None:
        """SIGTERM: it answers what it took, and ends well."""
        self._process.terminate()
        self._process.join(_SECONDS)
        assert self._process.exitcode == 0


def _serve(root: str, saying: Connection) -> None:
    os.dup2(saying.fileno(), 1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a descriptor is wanted, not a file
        os.dup2(nowhere.fileno(), 2)
    command.main([root, "--listen", "127.0.0.1:0"], standalone_mode=False)


def _listening(said: Connection) -> str:
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([said], [], [], _SECONDS)
        more = os.read(said.fileno(), 4096) if ready else b""
        assert more, f"the server said only {line!r}"
        line += more
    return line.decode().removeprefix("listening on ").strip()
