"""A published log that no server of ours wrote: any entries, in any order, even one twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from log_server.signer import Signer, sign_checkpoint
from log_server.tree import EMPTY_EDGE, grow
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash


def publish_foreign(folder: Path, entries: Sequence[bytes], *signers: Signer) -> TreeHead:
    """Write checkpoint, tiles and bundles of these entries."""
    growth = grow(EMPTY_EDGE, entries=entries, leaf_hashes=list(map(leaf_hash, entries)))
    for path, content in growth.files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    tree = growth.edge.tree
    said = Checkpoint(origin=signers[0].key.name, tree=tree, extensions=())
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_bytes(sign_checkpoint(said, signers))
    return tree
