"""A node whose sealed answers are as long as what is in them."""

from __future__ import annotations

import struct
import sys

from pipeline.node import sealing
from pipeline.node.cli import main
from verifier.wire import sealed
from verifier.wire.sealed import SealedSession, Unsealed

__all__ = ["corrupt"]


def seal_tight(status: int, content: bytes, *, request: Unsealed, session: SealedSession) -> bytes:
    """A sealed answer in all but its padding: a length, the content, and no zeros."""
    plain = struct.pack("> H", status) + content
    place = session.context(sealed._RESPONSE, request.raw)
    return sealed._SUITE.encrypt(
        struct.pack("> I", len(plain)) + plain, request.reply_to.key, place
    )


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(sealing)["seal_response"] = seal_tight


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
