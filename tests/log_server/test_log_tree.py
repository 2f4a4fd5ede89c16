from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_server.tree import (
    EMPTY_EDGE,
    Growth,
    RightEdge,
    consistency_proof,
    grow,
    grown_tree,
    inclusion_proof,
    read_edge,
)
from verifier.errors import ParseError
from verifier.tlog.merkle import (
    EMPTY_ROOT,
    TreeHead,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from verifier.tlog.tile import bundle_path, bundles_for_size, tile_path, tiles_for_size


def _entries(start: int, count: int) -> list[bytes]:
    return [b"entry-%d" % number for number in range(start, start + count)]


def _grow(edge: RightEdge, count: int) -> Growth:
    entries = _entries(edge.size, count)
    return grow(edge, entries=entries, leaf_hashes=[leaf_hash(entry) for entry in entries])


def test_empty_tree() -> None:
    assert EMPTY_EDGE.tree == TreeHead(0, EMPTY_ROOT)


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 257, 511, 512, 513, 65536, 65537])
def test_root_is_that_of_the_naive_tree(size: int) -> None:
    assert _grow(EMPTY_EDGE, size).edge.tree.root == root_hash(
        leaf_hash(entry) for entry in _entries(0, size)
    )


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_batches_do_not_matter(counts: list[int]) -> None:
    edge, files = EMPTY_EDGE, dict[str, bytes]()
    for count in counts:
        growth = _grow(edge, count)
        for path, content in growth.files:
            # A name that is written twice has the same bytes.
            assert files.setdefault(path, content) == content
        edge = growth.edge
        assert read_edge(edge.size, files.__getitem__) == edge
    at_once = _grow(EMPTY_EDGE, sum(counts))
    assert at_once.edge == edge
    wanted = {tile_path(tile) for tile in tiles_for_size(edge.size)}
    wanted |= {bundle_path(bundle.index, bundle.width) for bundle in bundles_for_size(edge.size)}
    assert {path for path, _ in at_once.files} == wanted
    assert all(files[path] == content for path, content in at_once.files)


@given(st.integers(0, 700), st.integers(0, 700))
def test_the_tree_alone_is_that_of_the_growth(before: int, count: int) -> None:
    edge = _grow(EMPTY_EDGE, before).edge
    leaf_hashes = [leaf_hash(entry) for entry in _entries(before, count)]
    assert grown_tree(edge, leaf_hashes=leaf_hashes) == _grow(edge, count).edge.tree


def test_a_log_of_70000_entries_in_uneven_batches() -> None:
    seeded = random.Random(7)
    edge, files = EMPTY_EDGE, dict[str, bytes]()
    while edge.size < 70_000:
        growth = _grow(edge, seeded.choice([1, 255, 256, 257, 1000, 4096]))
        files |= dict(growth.files)
        edge = growth.edge
    assert edge.tree.root == root_hash(map(leaf_hash, _entries(0, edge.size)))
    for index in (0, 255, 256, 65_535, 65_536, edge.size - 1):
        verify_inclusion(
            leaf=leaf_hash(b"entry-%d" % index),
            index=index,
            proof=inclusion_proof(index, edge.size, files.__getitem__),
            tree=edge.tree,
        )


@given(st.integers(1, 700), st.integers(0, 700))
def test_consistency_is_proven_from_the_tiles(old: int, more: int) -> None:
    growth = _grow(EMPTY_EDGE, old + more)
    files = dict(growth.files)
    verify_consistency(
        old=_grow(EMPTY_EDGE, old).edge.tree,
        new=growth.edge.tree,
        proof=consistency_proof(old, old + more, files.__getitem__),
    )


def test_a_batch_writes_only_tiles_that_got_a_hash() -> None:
    edge = _grow(EMPTY_EDGE, 256).edge
    assert [path for path, _ in _grow(edge, 1).files] == [
        "tile/entries/001.p/1",
        "tile/0/001.p/1",
    ]


def test_read_edge_rejects_a_short_tile() -> None:
    files = dict(_grow(EMPTY_EDGE, 3).files)
    files["tile/0/000.p/3"] = files["tile/0/000.p/3"][:-1]
    with pytest.raises(ParseError) as caught:
        read_edge(3, files.__getitem__)
    assert (caught.value.expected, caught.value.got) == ("3 hashes of 32 bytes", "95 bytes")
