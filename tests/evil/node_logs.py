"""A node that prints what it is asked on its console, which its host reads."""

from __future__ import annotations

import sys

from pipeline.node import node
from pipeline.node.application import Application
from pipeline.node.cli import main
from pipeline.node.http import Answer
from verifier.wire.workload.backend import Session

__all__ = ["corrupt"]


class PrintingApplication(Application):
    """Works like the real one."""

    def _work(self, path: str, content: bytes, session: Session) -> Answer:
        sys.stdout.write(f"{path} {content.decode('utf-8', 'replace')}\n")
        sys.stdout.flush()
        return super()._work(path, content, session)


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(node)["Application"] = PrintingApplication


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
