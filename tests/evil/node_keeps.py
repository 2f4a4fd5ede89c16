"""A node that keeps what a session was told, and answers the next session from it."""

from __future__ import annotations

import sys

from pipeline.node import server
from pipeline.node.cli import main
from verifier.wire.workload.backend import Session

__all__ = ["corrupt"]


def corrupt() -> None:
    """Let the node of this process be the twin."""
    kept = Session()
    vars(server)["Session"] = lambda: kept


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
