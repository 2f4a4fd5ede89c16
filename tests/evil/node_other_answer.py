"""A node that answers something else than the released program would."""

from __future__ import annotations

import sys

from pipeline.node import application
from pipeline.node.cli import main
from verifier.wire.service import encode_summary_answer
from verifier.wire.workload.backend import SUMMARY, WORKLOADS, Session

__all__ = ["SAID", "corrupt"]

SAID = ("Nothing happened.",)
"""Its summary of everything."""


class CannedSummaries:
    """Reads a request as the real workload does."""

    name, path, request = SUMMARY.name, SUMMARY.path, SUMMARY.request

    def answer(self, raw: bytes, session: Session) -> bytes:
        SUMMARY.answer(raw, session)
        return encode_summary_answer(SAID)


def corrupt() -> None:
    """Let the node of this process be the twin."""
    others = tuple(each for each in WORKLOADS if each is not SUMMARY)
    vars(application)["WORKLOADS"] = (CannedSummaries(), *others)


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
