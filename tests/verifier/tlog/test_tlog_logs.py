"""Whole logs and protocols written by others, read with the functions of this room."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import encode_checkpoint, open_checkpoint, parse_checkpoint
from verifier.tlog.merkle import (
    EMPTY_ROOT,
    MAX_PROOF_HASHES,
    Frontier,
    Node,
    TreeHead,
    inclusion_nodes,
    leaf_hash,
    range_hash,
    root_hash,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)
from verifier.tlog.note import (
    Algorithm,
    VerificationKey,
    encode_note,
    parse_note,
    parse_public_key,
    parse_vkey,
)
from verifier.tlog.strict import parse_base64, parse_decimal, parse_utf8
from verifier.tlog.tile import (
    TILE_WIDTH,
    Tile,
    bundle_path,
    bundles_for_size,
    encode_bundle,
    node_hash_in_tile,
    node_tile,
    parse_bundle,
    parse_tile,
    tile_path,
    tiles_for_size,
)

TESSERA_KEY = parse_vkey(
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
)
ROOT_70000 = "364d7134f206321bbc62b0adb935c52789e0254dd7569a9f0825d027dcc528c6"

Files = Callable[[str], bytes]


def replay(files: Files, size: int) -> TreeHead:
    """Read every entry and every tile; check each tile against the entries; give the root."""
    frontier = Frontier()
    levels: list[list[bytes]] = [[]]
    for bundle in bundles_for_size(size):
        raw = files(bundle_path(bundle.index, bundle.width))
        entries = parse_bundle(raw, width=bundle.width)
        assert encode_bundle(entries) == raw
        levels[0].extend(leaf_hash(entry) for entry in entries)
    frontier = frontier.extended(levels[0])
    for tile in tiles_for_size(size):
        below = levels[tile.level]
        start = tile.index * TILE_WIDTH
        hashes = parse_tile(files(tile_path(tile)), width=tile.width)
        assert hashes == tuple(below[start : start + tile.width])
        if tile.width == TILE_WIDTH:
            levels.extend([[]] * (tile.level + 2 - len(levels)))
            levels[tile.level + 1] = [*levels[tile.level + 1], range_hash(hashes)]
    assert root_hash(levels[0]) == frontier.tree.root
    return frontier.tree


def test_every_size_of_a_tessera_log(vectors: Path) -> None:
    folder = vectors / "tlog/transparency-dev_tessera/testdata/log"
    sizes = {}
    for path in sorted(folder.glob("checkpoint*")):
        raw = path.read_bytes()
        signed = open_checkpoint(raw, keys=(TESSERA_KEY,))
        assert encode_note(encode_checkpoint(signed.checkpoint), signed.note.signatures) == raw
        assert replay(lambda name: (folder / name).read_bytes(), signed.tree.size) == signed.tree
        sizes[path.name] = signed.tree.size
    assert sizes == {"checkpoint": 15, **{f"checkpoint.{size}": size for size in range(16)}}


@pytest.fixture(scope="session")
def files_70000(vectors: Path) -> dict[str, bytes]:
    with tarfile.open(vectors / "tlog/generated/tessera_posix_70000.tar.gz") as archive:
        members = [(one, archive.extractfile(one)) for one in archive if one.isfile()]
        return {one.name: member.read() for one, member in members if member is not None}


def test_a_log_of_70000_entries(files_70000: dict[str, bytes]) -> None:
    signed = open_checkpoint(files_70000["checkpoint"], keys=(TESSERA_KEY,))
    assert (signed.tree.size, signed.tree.root.hex()) == (70_000, ROOT_70000)
    assert replay(files_70000.__getitem__, 70_000) == signed.tree
    named = {tile_path(tile) for tile in tiles_for_size(70_000)}
    named |= {bundle_path(bundle.index, bundle.width) for bundle in bundles_for_size(70_000)}
    assert named <= set(files_70000)


def test_proofs_from_the_tiles_of_70000_entries(files_70000: dict[str, bytes]) -> None:
    tree = open_checkpoint(files_70000["checkpoint"], keys=(TESSERA_KEY,)).tree

    def read(node: Node) -> bytes:
        tile: Tile = node_tile(node, tree.size)
        hashes = parse_tile(files_70000[tile_path(tile)], width=tile.width)
        return node_hash_in_tile(node, hashes)

    for index in (0, 1, 255, 256, 35_000, 65_535, 65_536, 69_887, 69_888, 69_999):
        proof = tuple(
            subtree_hash(node, tree.size, read) for node in inclusion_nodes(index, tree.size)
        )
        leaf = read(Node(0, index))
        verify_inclusion(leaf=leaf, index=index, proof=proof, tree=tree)
        with pytest.raises(VerificationError):
            verify_inclusion(leaf=leaf, index=index ^ 1, proof=proof, tree=tree)


# Witness protocols: the requests hold checkpoints and consistency proofs. The witness below is
# as small as the formats allow; what it decides comes from this room.


@dataclass
class SmallWitness:
    """Answers add-checkpoint requests (C2SP tlog-witness) with a status, for one log."""

    key: VerificationKey
    tree: TreeHead = TreeHead(0, EMPTY_ROOT)  # noqa: RUF009 - frozen

    def answer(self, request: bytes) -> int:
        try:
            old, proof, raw = parse_request(request)
            said = parse_checkpoint(parse_note(raw))
            if old > said.tree.size:
                return 400
        except ParseError:
            return 400
        if said.origin != self.key.name:
            return 404
        try:
            new = open_checkpoint(raw, keys=(self.key,)).tree
        except VerificationError:
            return 403
        if old != self.tree.size:
            return 409
        return self._advance(new, proof)

    def _advance(self, new: TreeHead, proof: tuple[bytes, ...]) -> int:
        try:
            if self.tree.size:
                verify_consistency(old=self.tree, new=new, proof=proof)
        except VerificationError:
            return 422
        self.tree = new
        return 200


def parse_request(request: bytes) -> tuple[int, tuple[bytes, ...], bytes]:
    head, blank, raw = request.partition(b"\n\n")
    old, *lines = parse_utf8(head, what="request").split("\n")
    if not blank or not old.startswith("old ") or len(lines) > MAX_PROOF_HASHES:
        raise ParseError("request", expected="old, proof, blank line", got="something else")
    proof = tuple(parse_base64(line, what="hash", size=32) for line in lines)
    return parse_decimal(old.removeprefix("old "), what="old size"), proof, raw


def test_a_witness_sequence(vectors: Path) -> None:
    sequence = json.loads((vectors / "tlog/witness_add_checkpoint_sequence.json").read_text())
    witness = SmallWitness(parse_vkey(sequence["log_vkey"]))
    answers = [
        (step["name"], witness.answer(base64.b64decode(step["request_b64"])))
        for step in sequence["steps"]
    ]
    assert answers == [(step["name"], step["expect_status"]) for step in sequence["steps"]]
    assert len(answers) == 24
    leaves = [leaf_hash(str(index).encode()) for index in range(50)]
    assert witness.tree == TreeHead(50, root_hash(leaves))


def test_the_sequence_of_litewitness(vectors: Path) -> None:
    formats = json.loads((vectors / "tlog/vectors_text_formats.json").read_text())
    sequence: dict[str, Any] = formats["litewitness_sequence"]
    key = parse_public_key(
        name=sequence["log_origin"],
        algorithm=Algorithm.ED25519,
        public_key=bytes.fromhex(sequence["log_pubkey_hex"]),
    )
    witness = SmallWitness(key)
    answers = [witness.answer(step["request"].encode()) for step in sequence["steps"]]
    # Since litewitness was written, an unknown log has become 404. Its invalid signature is so by
    # stray bits in the base64, which make it no signature line here.
    differs = {"unknown log": 404, "invalid signature": 400}
    assert answers == [differs.get(step["body"], step["status"]) for step in sequence["steps"]]
    assert len(answers) == 9
    assert witness.tree.size == 5


def test_no_request_of_a_witness_crashes_a_parser(vectors: Path) -> None:
    sequence = json.loads((vectors / "tlog/witness_add_checkpoint_sequence.json").read_text())
    for step in sequence["steps"]:
        request = base64.b64decode(step["request_b64"])
        for cut in range(0, len(request), 7):
            with suppress(ParseError):
                assert parse_checkpoint(parse_note(request[cut:])).tree.size <= 50
