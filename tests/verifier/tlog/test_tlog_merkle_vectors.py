"""Public Merkle vectors: the probes of transparency-dev/merkle, RFC 6962 trees, a real CT log.

The probes in ``subtreeinclusion`` and ``subtreeconsistency`` are left out: they belong to the
subtree proofs of Merkle tree certificates, which this project does not speak. One consistency
probe is an exception, named below with its reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import VerificationError
from verifier.tlog.merkle import (
    TreeHead,
    consistency_nodes,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

TWELVE_BYTE_ROOTS = "sizes-are-equal-one-and-proof-is-empty.json"
"""Must be accepted upstream, where two equal roots of 12 bytes are as good as any; a root is
SHA-256 here, and ``TreeHead`` refuses anything else."""


def probes(vectors: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = vectors / "tlog/transparency-dev_merkle/testdata" / kind
    for path in sorted(folder.rglob("*.json")):
        yield f"{path.relative_to(folder)}", json.loads(path.read_text())


def decode(probe: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(probe[name] or "")


def hashes(probe: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(value) for value in probe["proof"] or ())


def check_inclusion(probe: dict[str, Any]) -> None:
    verify_inclusion(
        leaf=decode(probe, "leafHash"),
        index=probe["leafIdx"],
        proof=hashes(probe),
        tree=TreeHead(probe["treeSize"], decode(probe, "root")),
    )


def check_consistency(probe: dict[str, Any]) -> None:
    verify_consistency(
        old=TreeHead(probe["size1"], decode(probe, "root1")),
        new=TreeHead(probe["size2"], decode(probe, "root2")),
        proof=hashes(probe),
    )


def rejection(kind: str, probe: dict[str, Any]) -> str:
    try:
        check_inclusion(probe) if kind == "inclusion" else check_consistency(probe)
    except (VerificationError, ValueError) as error:
        return f"{error}"
    return ""


@pytest.mark.parametrize(
    ("kind", "least", "positive"), [("inclusion", 70, 5), ("consistency", 70, 5)]
)
def test_probes(vectors: Path, kind: str, least: int, positive: int) -> None:
    wrong, accepted, total = [], 0, 0
    for name, probe in probes(vectors, kind):
        if name.endswith(TWELVE_BYTE_ROOTS):
            assert "root of 12 bytes" in rejection(kind, probe)
            continue
        said = rejection(kind, probe)
        total += 1
        accepted += not said
        if bool(said) != probe["wantErr"]:
            wrong.append(f"{name}: {said or 'accepted'}")
    assert wrong == []
    assert total >= least
    assert accepted >= positive


def test_only_wrong_lengths_are_no_tree_head(vectors: Path) -> None:
    """What fails before the proof is looked at, fails for the length of a root and nothing else."""
    said = [
        rejection(kind, probe)
        for kind in ("inclusion", "consistency")
        for _, probe in probes(vectors, kind)
    ]
    early = [text for text in said if text.startswith("no tree head")]
    assert 0 < len(early) < len(said) // 4
    assert not [text for text in early if text.endswith("root of 32 bytes")]


def test_rfc_6962_roots(vectors: Path) -> None:
    tree = json.loads((vectors / "tlog/vectors_text_formats.json").read_text())["rfc6962_tree"]
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves_hex"]]
    roots = [root_hash(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert roots == tree["roots_hex_by_size"]
    assert len(roots) == 9


# A Certificate Transparency log of 961,984,011 entries, as its HTTP API answered.


def ct_answer(vectors: Path, name: str) -> Any:
    folder = vectors / "tlog/cloudflare_azul/crates/tlog_tiles/tests/http_get"
    return json.loads((folder / name).read_text())


def ct_tree(vectors: Path) -> TreeHead:
    sth = ct_answer(vectors, "get-sth")
    return TreeHead(sth["tree_size"], decode(sth, "sha256_root_hash"))


def test_inclusion_in_a_real_log(vectors: Path) -> None:
    (entry,) = ct_answer(vectors, "get-entries-start-10000-end-10000")["entries"]
    proof = ct_answer(
        vectors,
        "get-proof-by-hash-tree-size-961984011-hash-nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D",
    )
    leaf = leaf_hash(decode(entry, "leaf_input"))
    assert leaf == base64.b64decode("nCs3mfIydh9x4CKyQ+u2xtmpxmFggA5MLymHwNQSlLg=")
    path = tuple(base64.b64decode(value) for value in proof["audit_path"])
    tree = ct_tree(vectors)
    verify_inclusion(leaf=leaf, index=proof["leaf_index"], proof=path, tree=tree)
    for index in (9_999, 10_001, tree.size - 1):
        with pytest.raises(VerificationError):
            verify_inclusion(leaf=leaf, index=index, proof=path, tree=tree)


def test_consistency_of_a_real_log(vectors: Path) -> None:
    answer = ct_answer(vectors, "get-sth-consistency-first-3654490-second-961984011")
    proof = tuple(base64.b64decode(value) for value in answer["consistency"])
    tree = ct_tree(vectors)
    # The root of the old tree was not recorded. It is what the proof says that it is, and only
    # the new root, which was signed, decides whether the proof is right.
    old = TreeHead(3_654_490, old_root(3_654_490, tree.size, proof))
    verify_consistency(old=old, new=tree, proof=proof)
    for index in range(len(proof)):
        broken = (*proof[:index], leaf_hash(b""), *proof[index + 1 :])
        with pytest.raises(VerificationError):
            verify_consistency(old=old, new=tree, proof=broken)


def old_root(old: int, new: int, proof: tuple[bytes, ...]) -> bytes:
    nodes = consistency_nodes(old, new)
    root = proof[0]
    for node, value in zip(nodes[1:], proof[1:], strict=True):
        # What ends at or before the old size is part of the old tree.
        if (node.position + 1) << node.level <= old:
            root = node_hash(value, root)
    return root
