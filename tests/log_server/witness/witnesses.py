"""Logs that sign anything, and witnesses in a directory, for tests."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from log_server.server import listen
from log_server.signer import Ed25519Signer, Mldsa44Signer, Signer, sign_checkpoint
from log_server.witness.app import WitnessApp, encode_metadata
from log_server.witness.folder import create_witness, open_witness
from log_server.witness.request import encode_add_checkpoint
from log_server.witness.server import WitnessServer
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.merkle import (
    EMPTY_ROOT,
    Node,
    TreeHead,
    consistency_nodes,
    leaf_hash,
    root_hash,
)
from verifier.tlog.note import VerificationKey

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ToyLog:
    """A log of entries ``<tag>0``, ``<tag>1``... that signs a tree of any size."""

    def __init__(
        self, origin: str = "log.test/toy", *, tag: str = "", ml_dsa: bool = False
    ) -> None:
        self.tag = tag
        signers: list[Signer] = [
            Ed25519Signer(name=origin, seed=hashlib.sha256(f"t{origin}".encode()).digest())
        ]
        if ml_dsa:
            signers.append(
                Mldsa44Signer(name=origin, seed=hashlib.sha256(f"m{origin}".encode()).digest())
            )
        self.signers = tuple(signers)

    @property
    def keys(self) -> tuple[VerificationKey, ...]:
        return tuple(signer.key for signer in self.signers)

    def leaves(self, size: int) -> list[bytes]:
        return [leaf_hash(f"{self.tag}{number}".encode()) for number in range(size)]

    def tree(self, size: int) -> TreeHead:
        return TreeHead(size, root_hash(self.leaves(size)) if size else EMPTY_ROOT)

    def checkpoint(self, size: int, *, extensions: tuple[str, ...] = ()) -> bytes:
        said = Checkpoint(origin=self.keys[0].name, tree=self.tree(size), extensions=extensions)
        return sign_checkpoint(said, self.signers)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        def node(one: Node) -> bytes:
            return root_hash(leaves[one.position << one.level : (one.position + 1) << one.level])

        leaves = self.leaves(new)
        return tuple(map(node, consistency_nodes(old, new))) if old else ()

    def request(self, old: int, new: int) -> bytes:
        return encode_add_checkpoint(
            old=old, proof=self.proof(old, new), checkpoint=self.checkpoint(new)
        )


@contextmanager
def serving_witness(root: Path) -> Iterator[str]:
    """The URL of a running witness."""
    answered = threading.Event()
    with open_witness(root) as opened, listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        application = WitnessApp(
            opened.witness,
            metadata=encode_metadata(keys=opened.keys, url=url),
            clock=lambda: datetime.now(UTC),
        )
        server = WitnessServer(listener, application=application, ready=answered.set)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert answered.wait(10)
            yield url
        finally:
            server.stop()
            thread.join(40)


def make_witness(
    root: Path, *logs: VerificationKey, name: str = "wit.test/w", ml_dsa: bool = False
) -> tuple[VerificationKey, ...]:
    return create_witness(root, name=name, logs=logs, ml_dsa=ml_dsa)
