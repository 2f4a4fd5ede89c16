"""One entry of a log, with what its proof is made of; and the way to submit one.

Source: C2SP tlog-tiles. Nothing here is believed: the proof that ``fetch_entry`` assembles is
judged by whoever reads it, under a policy.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import FetchError
from verifier.fetch.http import post_bytes
from verifier.fetch.log_files import LogFiles
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.json_object import JsonObject
from verifier.tlog.merkle import HASH_SIZE, Node, inclusion_nodes, subtree_hash
from verifier.tlog.note import parse_note
from verifier.tlog.proof import MAX_PROOF_SIZE, TlogProof, encode_tlog_proof
from verifier.tlog.strict import parse_json
from verifier.tlog.tile import (
    MAX_ENTRY,
    TILE_WIDTH,
    Tile,
    bundle_path,
    node_hash_in_tile,
    node_tile,
    parse_bundle,
    parse_tile,
    tile_path,
    width_for_size,
)

__all__ = ["LogReader", "LoggedEntry", "submit_entry"]

_MAX_BUNDLE = TILE_WIDTH * (MAX_ENTRY + 2)


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry and the ``.tlog-proof`` that came with it or was assembled; believed by no one."""

    index: int
    entry: bytes
    proof: bytes


class LogReader:
    """Reads single entries of one log."""

    def __init__(self, log: LogFiles) -> None:
        self._log = log
        self._tiles: dict[Tile, tuple[bytes, ...]] = {}

    def fetch_entry(self, index: int, *, checkpoint: bytes | None = None) -> LoggedEntry:
        """Fetch entry ``index`` and the tiles that make its inclusion proof.

        The proof leads to ``checkpoint``, or to the newest one if None is given. Raises FetchError,
        and ParseError for a malformed checkpoint, tile or bundle.
        """
        raw = self._log.fetch_checkpoint() if checkpoint is None else checkpoint
        size = parse_checkpoint(parse_note(raw)).tree.size
        if index >= size:
            raise FetchError(f"entry {index}", expected=f"an index below {size}", got=str(index))
        entry = self._entry(index, size)
        proof = TlogProof(
            index=index, hashes=self._hashes(index, size), checkpoint_raw=raw, extra=None
        )
        return LoggedEntry(index, entry, encode_tlog_proof(proof))

    def _entry(self, index: int, size: int) -> bytes:
        number, offset = divmod(index, TILE_WIDTH)
        width = width_for_size(0, number, size)
        raw = self._log.fetch_file(bundle_path(number, width), limit=_MAX_BUNDLE)
        return parse_bundle(raw, width=width)[offset]

    def _hashes(self, index: int, size: int) -> tuple[bytes, ...]:
        def read(node: Node) -> bytes:
            return node_hash_in_tile(node, self._tile(node_tile(node, size)))

        return tuple(subtree_hash(node, size, read) for node in inclusion_nodes(index, size))

    def _tile(self, tile: Tile) -> tuple[bytes, ...]:
        if tile not in self._tiles:
            raw = self._log.fetch_file(tile_path(tile), limit=TILE_WIDTH * HASH_SIZE)
            self._tiles[tile] = parse_tile(raw, width=tile.width)
        return self._tiles[tile]


def submit_entry(url: str, entry: bytes) -> LoggedEntry:
    """POST a typed entry to the log below ``url``. Raises FetchError, ParseError."""
    address = f"{url.rstrip('/')}/v1/entries"
    raw = post_bytes(address, entry, content_type="application/json", limit=2 * MAX_PROOF_SIZE)
    answer = JsonObject(parse_json(raw, what="answer of the log"), what="answer of the log")
    index = answer.integer("index")
    proof = answer.text("proof", pattern=r"[\s\S]+")
    answer.end()
    return LoggedEntry(index, entry, proof.encode("utf-8"))
