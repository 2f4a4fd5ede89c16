from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.tlog.merkle import (
    MAX_TREE_SIZE,
    Node,
    TreeHead,
    full_nodes,
    inclusion_nodes,
    leaf_hash,
    range_hash,
    root_hash,
    subtree_hash,
    verify_inclusion,
)
from verifier.tlog.tile import (
    MAX_ENTRY,
    MAX_TILE_INDEX,
    TILE_WIDTH,
    EntryBundle,
    Tile,
    bundle_path,
    bundles_for_size,
    encode_bundle,
    encode_tile,
    node_hash_in_tile,
    node_tile,
    parse_bundle,
    parse_bundle_path,
    parse_tile,
    parse_tile_path,
    tile_path,
    tiles_for_size,
    width_for_size,
)


@pytest.fixture(scope="session")
def paths(vectors: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((vectors / "tlog/vectors_text_formats.json").read_text())
    tiles: dict[str, Any] = read["tile_index_paths"]
    return tiles


def test_public_index_paths(paths: dict[str, Any]) -> None:
    assert len(paths["encode"]) >= 7
    for index, text in paths["encode"].items():
        number = int(index)
        assert tile_path(Tile(3, number)) == f"tile/3/{text}"
        assert parse_tile_path(f"tile/3/{text}") == Tile(3, number)
        assert bundle_path(number, 7) == f"tile/entries/{text}.p/7"
        assert parse_bundle_path(f"tile/entries/{text}.p/7") == EntryBundle(number, 7)


def test_public_invalid_paths(paths: dict[str, Any]) -> None:
    assert len(paths["invalid_paths"]) >= 12
    for text in paths["invalid_paths"]:
        with pytest.raises(ParseError):
            parse_tile_path(text)


def test_fuzz_seeds_of_another_implementation(vectors: Path) -> None:
    """They carry a leading tile height, which this format has not."""
    seeds = sorted((vectors / "tlog/cloudflare_azul/fuzz/corpus/fuzz_parse_tile_path").iterdir())
    assert len(seeds) == 8
    for seed in seeds:
        text = seed.read_text()
        with pytest.raises(ParseError):
            parse_tile_path(text)
        with pytest.raises(ParseError):
            parse_bundle_path(text)
    assert parse_tile_path("tile/0/x003/x057/500") == Tile(0, 3_057_500)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000.p/",
        "tile/0/000.p/1 ",
        "tile/0/000\n",
        "tile//000",
        "tile/0/x0a0/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/data/000",
        "tile/0/000.p/1.p/1",
        "tile/0/" + "x000/" * 99 + "000",
    ],
)
def test_what_is_no_tile_path(text: str) -> None:
    form = re.escape("tile/<level>/<index>[.p/<width>]")
    with rejects(ParseError, "tile path", expected=form, got="'"):
        parse_tile_path(text)
    with rejects(ParseError, "entry bundle path", expected=form, got="'"):
        parse_bundle_path(text.replace("tile/0", "tile/entries"))


@pytest.mark.parametrize("text", ["tile/0/x000/001", "tile/0/000.p/0", "tile/0/x000/x000/001.p/1"])
def test_a_path_has_one_spelling(text: str) -> None:
    with rejects(ParseError, "tile path", expected="the shortest spelling", got=re.escape(text)):
        parse_tile_path(text)


def test_levels_indices_and_widths_of_paths() -> None:
    what = "level of the tile path"
    with rejects(ParseError, what, expected="up to 63", got="^64$"):
        parse_tile_path("tile/64/000")
    with rejects(ParseError, what, expected="leading zeros", got="'00'"):
        parse_tile_path("tile/00/000")
    what = "width of the tile path"
    with rejects(ParseError, what, expected="up to 255", got="^256$"):
        parse_tile_path("tile/0/000.p/256")
    with rejects(ParseError, what, expected="leading zeros", got="'01'"):
        parse_tile_path("tile/0/000.p/01")
    beyond = tile_path(Tile(0, MAX_TILE_INDEX)).replace("x963/967", "x963/968")
    with rejects(
        ParseError,
        "index of the tile path",
        expected=f"up to {MAX_TILE_INDEX}",
        got=str(MAX_TILE_INDEX + 1),
    ):
        parse_tile_path(beyond)


def test_tiles_and_bundles_are_not_confused() -> None:
    with rejects(ParseError, "tile path", expected="a tile level", got="entries"):
        parse_tile_path("tile/entries/000")
    with rejects(ParseError, "entry bundle path", expected="entries", got="'0'"):
        parse_bundle_path("tile/0/000")


def test_the_longest_path() -> None:
    text = bundle_path(MAX_TILE_INDEX, 255)
    assert len(text) == 47
    assert parse_bundle_path(text) == EntryBundle(MAX_TILE_INDEX, 255)


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, MAX_TILE_INDEX + 1, 1), (0, 0, 0), (0, 0, 257)],
)
def test_what_is_no_tile(level: int, index: int, width: int) -> None:
    with pytest.raises(ValueError, match="no tile"):
        Tile(level, index, width)
    if 0 <= level <= 63:
        with pytest.raises(ValueError, match="no tile or bundle"):
            bundle_path(index, width)


def test_public_tile_counts(paths: dict[str, Any]) -> None:
    stated = paths["size_70000"]
    tiles = list(tiles_for_size(70_000))
    assert len(tiles) == stated["L0_full"] + 1 + stated["L1_full"] + 1 + 1
    assert tiles[273] == Tile(0, 273, stated["L0_partial"])
    assert tiles[274:] == [Tile(1, 0), Tile(1, 1, stated["L1_partial"]), Tile(2, 0, 1)]
    assert list(tiles_for_size(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    bundles = list(bundles_for_size(70_000))
    assert (len(bundles), bundles[-1]) == (274, EntryBundle(273, 112))


def test_tiles_of_the_smallest_and_the_largest_tree() -> None:
    assert list(tiles_for_size(0)) == []
    assert list(bundles_for_size(0)) == []
    assert list(tiles_for_size(1)) == [Tile(0, 0, 1)]
    last = list(tiles_for_size(MAX_TREE_SIZE, since=MAX_TREE_SIZE - 1))
    assert last == [Tile(0, MAX_TILE_INDEX, 255)]
    assert list(bundles_for_size(MAX_TREE_SIZE, since=MAX_TREE_SIZE - 1)) == [
        EntryBundle(MAX_TILE_INDEX, 255)
    ]


def test_growth_needs_just_the_new_tiles() -> None:
    sizes = (0, 1, 2, 255, 256, 257, 300, 511, 512, 65_535, 65_536, 65_537, 70_000)
    tiles = {size: set(tiles_for_size(size)) for size in sizes}
    bundles = {size: set(bundles_for_size(size)) for size in sizes}
    for old in sizes:
        for new in sizes:
            if old <= new:
                assert set(tiles_for_size(new, since=old)) == tiles[new] - tiles[old]
                assert set(bundles_for_size(new, since=old)) == bundles[new] - bundles[old]


@pytest.mark.parametrize(("since", "size"), [(1, 0), (-1, 0), (0, 2**63)])
def test_what_is_no_growth(since: int, size: int) -> None:
    for listing in (tiles_for_size, bundles_for_size):
        with pytest.raises(ValueError, match=f"no growth from size {since} to {size}"):
            next(iter(listing(size, since=since)))


def test_widths() -> None:
    assert width_for_size(0, 0, 0) == width_for_size(0, 1, 256) == width_for_size(1, 0, 255) == 0
    assert width_for_size(0, 1, 257) == width_for_size(1, 0, 511) == 1
    assert width_for_size(0, 0, 256) == width_for_size(1, 0, 65_536) == TILE_WIDTH


# Contents.


def test_a_tile_is_read_and_written() -> None:
    hashes = tuple(leaf_hash(bytes([n])) for n in range(256))
    for width in (1, 112, 256):
        raw = encode_tile(hashes[:width])
        assert len(raw) == 32 * width
        assert parse_tile(raw, width=width) == hashes[:width]


@pytest.mark.parametrize(("size", "width"), [(0, 1), (31, 1), (33, 1), (64, 1), (64, 3)])
def test_the_length_of_a_tile(size: int, width: int) -> None:
    with rejects(ParseError, "tile", expected=f"^{width} hashes", got=f"^{size} bytes"):
        parse_tile(bytes(size), width=width)


@pytest.mark.parametrize("hashes", [(), (b"x" * 31,), (b"x" * 32,) * 257])
def test_what_no_tile_holds(hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 256 hashes of 32 bytes"):
        encode_tile(hashes)


@pytest.mark.parametrize(
    "entries", [(b"",), (b"", b"a", b""), (b"x" * MAX_ENTRY, b"y"), (b"z",) * 256]
)
def test_a_bundle_is_read_and_written(entries: tuple[bytes, ...]) -> None:
    raw = encode_bundle(entries)
    assert len(raw) == sum(2 + len(entry) for entry in entries)
    assert parse_bundle(raw, width=len(entries)) == entries


@pytest.mark.parametrize("entries", [(), (b"",) * 257, (b"x" * (MAX_ENTRY + 1),)])
def test_what_no_bundle_holds(entries: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 256 entries of at most 65535 bytes"):
        encode_bundle(entries)


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (b"\0", "1 bytes, entry 0 ends at 2"),
        (b"\0\2a", "3 bytes, entry 0 ends at 4"),
        (b"\0\0\0", "3 bytes, entry 1 ends at 4"),
        (b"\0\1a\xff\xff", "5 bytes, entry 1 ends at 65540"),
    ],
)
def test_an_entry_that_is_cut_short(raw: bytes, got: str) -> None:
    with rejects(ParseError, "entry bundle", expected="whole entries", got=f"^{got}$"):
        parse_bundle(raw, width=2)


@pytest.mark.parametrize(
    ("raw", "width", "got"),
    [
        (b"", 1, "0 entries and 0 bytes more"),
        (b"\0\1a", 2, "1 entries and 0 bytes more"),
        (b"\0\1a\0\1b", 1, "1 entries and 3 bytes more"),
        (b"\0\1a\0", 1, "1 entries and 1 bytes more"),
    ],
)
def test_the_number_of_entries(raw: bytes, width: int, got: str) -> None:
    with rejects(ParseError, "entry bundle", expected=f"^{width} entries$", got=f"^{got}$"):
        parse_bundle(raw, width=width)


# A tree that is read from its tiles.


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600, 70_000])
def test_a_proof_is_made_from_tiles(size: int) -> None:
    leaves = tuple(leaf_hash(b"%d" % n) for n in range(size))
    levels = [leaves]
    while len(levels[-1]) >= TILE_WIDTH:
        below = levels[-1]
        full = len(below) // TILE_WIDTH * TILE_WIDTH
        levels.append(
            tuple(range_hash(below[n : n + TILE_WIDTH]) for n in range(0, full, TILE_WIDTH))
        )

    def read(node: Node) -> bytes:
        tile = node_tile(node, size)
        start = tile.index * TILE_WIDTH
        assert tile in tiles
        return node_hash_in_tile(node, levels[tile.level][start : start + tile.width])

    tiles = set(tiles_for_size(size))
    tree = TreeHead(size, root_hash(leaves))
    assert subtree_hash(Node(63, 0), size, read) == tree.root
    for index in {0, size // 3, size // 2, size - 1}:
        proof = tuple(subtree_hash(node, size, read) for node in inclusion_nodes(index, size))
        verify_inclusion(leaf=leaves[index], index=index, proof=proof, tree=tree)


def test_only_full_nodes_are_in_tiles() -> None:
    assert node_tile(Node(9, 0), 512) == Tile(1, 0, 2)
    with pytest.raises(ValueError, match="not full in a tree of size 511"):
        node_tile(Node(9, 0), 511)
    for node in full_nodes(Node(63, 0), MAX_TREE_SIZE):
        assert node_tile(node, MAX_TREE_SIZE).level == node.level // 8


def test_a_tile_path_is_read() -> None:
    assert parse_tile_path("tile/3/x001/067.p/9") == Tile(3, 1067, 9)
