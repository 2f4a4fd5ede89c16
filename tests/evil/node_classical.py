"""A node that agrees on keys without the post-quantum part, whatever the client offers."""

from __future__ import annotations

import sys

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from OpenSSL import SSL

from pipeline.node import node
from pipeline.node.cli import main
from pipeline.node.tls import Identity, make_context

__all__ = ["corrupt"]


def make_classical(identity: Identity) -> SSL.Context:
    """The context of the real one, with P-256 as its only group."""
    context = make_context(identity)
    context.set_tmp_ecdh(SECP256R1())
    return context


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(node)["make_context"] = make_classical


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
