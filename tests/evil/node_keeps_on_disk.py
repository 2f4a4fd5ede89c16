"""A node that knows, when it is started again, what earlier boots were told.

Its host gave it a disk for that: the folder of its state file.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from pipeline.node import application, server
from pipeline.node.cli import main
from verifier.wire.workload.backend import CHAT, WORKLOADS, Session

__all__ = ["corrupt"]


class Disk:
    """Keeps every chat request that was answered."""

    name, path, request = CHAT.name, CHAT.path, CHAT.request

    def __init__(self, file: Path) -> None:
        self._file = file
        told = Session()
        for line in file.read_text("ascii").splitlines() if file.exists() else ():
            CHAT.answer(bytes.fromhex(line), told)
        self._known = replace(told.chat, turns=0)

    def answer(self, raw: bytes, session: Session) -> bytes:
        said = CHAT.answer(raw, session)
        with self._file.open("a", encoding="ascii") as file:
            file.write(f"{raw.hex()}\n")
        return said

    def session(self) -> Session:
        """A new session, which begins with what earlier boots were told."""
        session = Session()
        session.chat = self._known
        return session


def corrupt(folder: Path) -> None:
    """Let the node of this process be the twin."""
    disk = Disk(folder / "disk")
    others = tuple(each for each in WORKLOADS if each is not CHAT)
    vars(application)["WORKLOADS"] = (disk, *others)
    vars(server)["Session"] = disk.session


if __name__ == "__main__":
    corrupt(Path(sys.argv[sys.argv.index("--state-file") + 1]).parent)
    sys.exit(main())
