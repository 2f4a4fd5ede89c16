"""Properties of the log's formats: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.verifier.tlog.signing import checkpoint, log, mldsa_witness, note, witness
from verifier.errors import AuditError, ParseError
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint, parse_checkpoint
from verifier.tlog.merkle import (
    MAX_TREE_SIZE,
    Frontier,
    Node,
    TreeHead,
    consistency_nodes,
    full_nodes,
    inclusion_nodes,
    inclusion_root,
    join_subtrees,
    leaf_hash,
    root_hash,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    SignedNote,
    encode_note,
    parse_note,
    parse_public_key,
    parse_vkey,
)
from verifier.tlog.policy import parse_tlog_policy, verify_quorum
from verifier.tlog.proof import TlogProof, encode_tlog_proof, parse_tlog_proof, verify_tlog_proof
from verifier.tlog.tile import (
    MAX_TILE_INDEX,
    EntryBundle,
    Tile,
    bundle_path,
    encode_bundle,
    parse_bundle,
    parse_bundle_path,
    parse_tile_path,
    tile_path,
)

LINE = st.text(st.characters(min_codepoint=0x20, codec="utf-8"), min_size=1, max_size=30)
NAME = LINE.filter(lambda name: "+" not in name and not any(c.isspace() for c in name))
HASH = st.binary(min_size=32, max_size=32)
SIZE = st.integers(0, MAX_TREE_SIZE)
SIGNATURE = st.builds(
    NoteSignature,
    name=NAME,
    key_id=st.binary(min_size=4, max_size=4),
    signature=st.binary(min_size=1, max_size=80),
)
SIGNATURES = st.lists(SIGNATURE, min_size=1, max_size=5).map(tuple)
TEXT = st.lists(LINE | st.just(""), min_size=1, max_size=6).map(lambda ls: "\n".join([*ls, ""]))
CHECKPOINT = st.builds(
    Checkpoint,
    origin=LINE,
    tree=st.builds(TreeHead, SIZE, HASH),
    extensions=st.lists(LINE, max_size=3).map(tuple),
)
PROOF = st.builds(
    TlogProof,
    index=SIZE,
    hashes=st.lists(HASH, max_size=63).map(tuple),
    checkpoint_raw=st.binary(max_size=200),
    extra=st.none() | st.binary(min_size=1, max_size=50),
)
WIDTH = st.integers(1, 256)
TILE = st.builds(Tile, st.integers(0, 63), st.integers(0, MAX_TILE_INDEX), WIDTH)
BUNDLE = st.builds(EntryBundle, st.integers(0, MAX_TILE_INDEX), WIDTH)


@given(TEXT, SIGNATURES)
def test_notes(text: str, signatures: tuple[NoteSignature, ...]) -> None:
    raw = encode_note(text, signatures)
    assert parse_note(raw) == SignedNote(text=text, signatures=signatures, raw=raw)


@given(CHECKPOINT)
def test_checkpoints(said: Checkpoint) -> None:
    text = encode_checkpoint(said)
    read = parse_checkpoint(SignedNote(text=text, signatures=(), raw=b""))
    assert read == said


@given(PROOF)
def test_proofs(proof: TlogProof) -> None:
    assert parse_tlog_proof(encode_tlog_proof(proof)) == proof


@given(TILE)
def test_tile_paths(tile: Tile) -> None:
    assert parse_tile_path(tile_path(tile)) == tile


@given(BUNDLE)
def test_bundle_paths(bundle: EntryBundle) -> None:
    assert parse_bundle_path(bundle_path(bundle.index, bundle.width)) == bundle


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries), width=len(entries)) == tuple(entries)


@given(NAME, st.sampled_from([Algorithm.ED25519, Algorithm.COSIGNATURE_ED25519]), HASH)
@example("n", Algorithm.ED25519, b"\xfb" * 32)  # base64 with "+"
def test_vkeys(name: str, algorithm: Algorithm, public_key: bytes) -> None:
    try:
        key = parse_public_key(name=name, algorithm=algorithm, public_key=public_key)
    except ParseError:
        assume(False)
    assert parse_vkey(str(key)) == key


# What is accepted is the only spelling of what it says.

ALPHABET = st.sampled_from("— \n\t\r+=/AZaz09x.p" + "tile/entries" + string.digits)


@given(st.text(ALPHABET, max_size=30))
@example("tile/0/x001/000.p/1")
def test_accepted_tile_paths_are_canonical(text: str) -> None:
    try:
        tile = parse_tile_path(text)
    except ParseError:
        return
    assert tile_path(tile) == text


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=4), st.booleans(), st.integers(0, 300))
def test_accepted_paths_of_digits_are_canonical(
    groups: list[int], partial: bool, width: int
) -> None:
    number = "/".join([*(f"x{group:03}" for group in groups[:-1]), f"{groups[-1]:03}"])
    text = f"tile/entries/{number}" + (f".p/{width}" if partial else "")
    try:
        bundle = parse_bundle_path(text)
    except ParseError:
        return
    assert bundle_path(bundle.index, bundle.width) == text


@given(st.binary(max_size=60), WIDTH)
def test_accepted_bundles_are_canonical(raw: bytes, width: int) -> None:
    try:
        entries = parse_bundle(raw, width=width)
    except ParseError:
        return
    assert encode_bundle(entries) == raw


VALID_NOTE = note(
    SAID := checkpoint(TreeHead(2, root_hash([leaf_hash(b"a"), leaf_hash(b"b")])), "extension"),
    log().sign_checkpoint(SAID),
    NoteSignature(name="grease", key_id=b"1234", signature=b"x"),
    witness("w1.example").cosign(SAID),
    mldsa_witness("w2.example").cosign(SAID),
)
VALID_PROOF = encode_tlog_proof(
    TlogProof(index=0, hashes=(leaf_hash(b"b"),), checkpoint_raw=VALID_NOTE, extra=b"extra")
)
POLICY = parse_tlog_policy(
    f"log {log().key}\nwitness a {witness('w1.example').key}\n"
    f"witness b {mldsa_witness('w2.example').key}\ngroup g all a b\nquorum g\n"
)


def mutated(raw: bytes, position: int, change: bytes, kind: str) -> bytes:
    position %= len(raw)
    rest = raw[position:] if kind == "insert" else raw[position + 1 :]
    return raw[:position] + (b"" if kind == "delete" else change) + rest


MUTATION = (
    st.integers(0, len(VALID_PROOF)),
    st.binary(min_size=1, max_size=1),
    st.sampled_from(["replace", "insert", "delete"]),
)


@given(*MUTATION)
def test_accepted_notes_are_canonical(position: int, change: bytes, kind: str) -> None:
    raw = mutated(VALID_NOTE, position, change, kind)
    try:
        read = parse_note(raw)
    except ParseError:
        return
    assert encode_note(read.text, read.signatures) == raw
    try:
        said = parse_checkpoint(read)
    except ParseError:
        return
    assert encode_checkpoint(said) == read.text


@given(*MUTATION)
def test_accepted_proofs_are_canonical(position: int, change: bytes, kind: str) -> None:
    raw = mutated(VALID_PROOF, position, change, kind)
    try:
        proof = parse_tlog_proof(raw)
    except AuditError:
        return
    assert encode_tlog_proof(proof) == raw


def unauthenticated(raw: bytes) -> list[bytes]:
    """The file without what nobody signs: the extra, and the grease."""
    return [line for line in raw.split(b"\n") if not line.startswith((b"extra ", "— g".encode()))]


def test_the_valid_proof_is_valid() -> None:
    included = verify_tlog_proof(parse_tlog_proof(VALID_PROOF), entry=b"a", policy=POLICY)
    assert included.cosigned.tree == SAID.tree


@given(*MUTATION)
def test_no_mutation_of_an_accepted_proof_is_accepted(
    position: int, change: bytes, kind: str
) -> None:
    raw = mutated(VALID_PROOF, position, change, kind)
    assume(raw != VALID_PROOF)
    try:
        included = verify_tlog_proof(parse_tlog_proof(raw), entry=b"a", policy=POLICY)
    except AuditError:
        return
    assert included.cosigned.tree == SAID.tree
    untouched = set(unauthenticated(VALID_PROOF))
    strange = [line for line in unauthenticated(raw) if line not in untouched]
    # Only a signature line of an unknown key can be new, and no signed line can be missing.
    assert all(line.startswith("— ".encode()) for line in strange)
    assert untouched <= set(unauthenticated(raw))


# Mathematics beyond the sizes that can be tried one by one.


@given(SIZE, st.data())
def test_coordinates_of_any_size(size: int, data: st.DataObject) -> None:
    assume(size > 0)
    index = data.draw(st.integers(0, size - 1))
    nodes = inclusion_nodes(index, size)
    assert len(nodes) <= 63
    # The leaf and the nodes of its proof cover the whole tree, each entry once.
    covered = sum(
        1 << full.level for node in (Node(0, index), *nodes) for full in full_nodes(node, size)
    )
    assert covered == size


@given(SIZE, st.data())
def test_coordinates_of_consistency(new: int, data: st.DataObject) -> None:
    assume(new > 0)
    old = data.draw(st.integers(1, new))
    nodes = consistency_nodes(old, new)
    assert len(nodes) <= 64
    for node in nodes:
        start, end = node.position << node.level, min((node.position + 1) << node.level, new)
        # No node of the proof straddles the end of the old tree.
        assert end <= old or start >= old


@given(st.integers(1, 700), st.integers(0, 699), st.integers(1, 700))
def test_proofs_of_middling_trees(size: int, index: int, old: int) -> None:
    assume(index < size)
    assume(old <= size)
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]

    def read(node: Node) -> bytes:
        return root_hash(leaves[node.position << node.level : (node.position + 1) << node.level])

    tree = TreeHead(size, root_hash(leaves))
    path = tuple(subtree_hash(node, size, read) for node in inclusion_nodes(index, size))
    verify_inclusion(leaf=leaves[index], index=index, proof=path, tree=tree)
    assert inclusion_root(leaf=leaves[0], index=index, size=size, proof=path) == tree.root or index
    past = TreeHead(old, root_hash(leaves[:old]))
    proof = tuple(subtree_hash(node, size, read) for node in consistency_nodes(old, size))
    verify_consistency(old=past, new=tree, proof=proof)


@given(st.lists(st.lists(HASH, max_size=9), max_size=9))
def test_a_frontier_does_not_care_about_batches(batches: list[list[bytes]]) -> None:
    frontier = Frontier()
    for batch in batches:
        frontier = frontier.extended(batch)
    leaves = [leaf for batch in batches for leaf in batch]
    assert frontier.tree == TreeHead(len(leaves), root_hash(leaves))
    assert join_subtrees(frontier.subtrees) == root_hash(leaves)


MEMBER = st.sampled_from("abcdef")
WITNESSES = "".join(f"witness {n} {witness(n).key}\n" for n in "abcdef")


@given(st.integers(1, 3), st.integers(1, 3), st.sets(MEMBER), MEMBER)
def test_more_cosignatures_never_break_a_quorum(
    first: int, second: int, cosigned: set[str], one_more: str
) -> None:
    policy = parse_tlog_policy(
        f"{WITNESSES}group g {first} a b c\ngroup h {second} d e g\nquorum h\n"
    )
    inner = len(cosigned & set("abc")) >= first
    met = len(cosigned & set("de")) + inner >= second
    if not met:
        with pytest.raises(AuditError):
            verify_quorum(policy, cosigned=frozenset(cosigned))
    else:
        verify_quorum(policy, cosigned=frozenset(cosigned))
        verify_quorum(policy, cosigned=frozenset(cosigned | {one_more}))


# Foreign bytes never get past a parser, and never get out of it but as ParseError.


@given(st.binary(max_size=300))
def test_parsers_survive_anything(raw: bytes) -> None:
    for parse in (parse_note, parse_tlog_proof):
        with pytest.raises(AuditError):
            parse(raw)
    for parse_text in (parse_vkey, parse_tlog_policy, parse_tile_path, parse_bundle_path):
        with pytest.raises(AuditError):
            parse_text(raw.decode("latin-1"))
