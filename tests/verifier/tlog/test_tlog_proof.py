from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import (
    ORIGIN,
    checkpoint,
    log,
    mldsa_witness,
    note,
    signer,
    witness,
)
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.tlog.merkle import MAX_PROOF_HASHES, TreeHead, leaf_hash, node_hash
from verifier.tlog.note import MAX_NOTE_SIZE
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.proof import (
    MAX_EXTRA_SIZE,
    MAX_PROOF_SIZE,
    TlogProof,
    encode_tlog_proof,
    parse_tlog_proof,
    verify_tlog_proof,
)

ENTRY = b"the entry"
LEAVES = (leaf_hash(b"before"), leaf_hash(ENTRY), leaf_hash(b"after"))
TREE = TreeHead(3, node_hash(node_hash(LEAVES[0], LEAVES[1]), LEAVES[2]))
SAID = checkpoint(TREE)
W1, W2 = witness("w1.example"), mldsa_witness("w2.example")
COSIGNED = note(SAID, log().sign_checkpoint(SAID), W1.cosign(SAID), W2.cosign(SAID))
POLICY = parse_tlog_policy(
    f"log {log().key}\nwitness a {W1.key}\nwitness b {W2.key}\ngroup g all a b\nquorum g\n"
)
PROOF = TlogProof(
    index=1, hashes=(LEAVES[0], LEAVES[2]), checkpoint_raw=COSIGNED, extra=b"an extra"
)
HEADER = "c2sp.org/tlog-proof@v1"


def altered(
    *,
    index: int = PROOF.index,
    hashes: tuple[bytes, ...] = PROOF.hashes,
    checkpoint_raw: bytes = PROOF.checkpoint_raw,
    extra: bytes | None = PROOF.extra,
) -> TlogProof:
    return TlogProof(index=index, hashes=hashes, checkpoint_raw=checkpoint_raw, extra=extra)


def test_a_proof_is_written_and_read() -> None:
    raw = encode_tlog_proof(PROOF)
    first, second = (base64.b64encode(value).decode() for value in PROOF.hashes)
    head = f"{HEADER}\nextra YW4gZXh0cmE=\nindex 1\n{first}\n{second}\n\n"
    assert raw == head.encode() + COSIGNED
    assert parse_tlog_proof(raw) == PROOF


@pytest.mark.parametrize("count", [0, 1, MAX_PROOF_HASHES])
@pytest.mark.parametrize("extra", [None, b"x", b"x" * MAX_EXTRA_SIZE])
def test_proofs_of_every_length(count: int, extra: bytes | None) -> None:
    proof = altered(index=2**63 - 1, hashes=(LEAVES[0],) * count, extra=extra)
    assert parse_tlog_proof(encode_tlog_proof(proof)) == proof


def test_the_checkpoint_is_kept_as_received() -> None:
    for raw in (b"", b"\n", b"\n\n", b"\xff\n\n \n", COSIGNED):
        assert (
            parse_tlog_proof(encode_tlog_proof(altered(checkpoint_raw=raw))).checkpoint_raw == raw
        )


def test_an_entry_is_in_the_log() -> None:
    proof = parse_tlog_proof(encode_tlog_proof(PROOF))
    included = verify_tlog_proof(proof, entry=ENTRY, policy=POLICY)
    assert (included.entry, included.index) == (ENTRY, 1)
    assert included.cosigned.tree == TREE
    assert [one.witness for one in included.cosigned.cosignatures] == ["a", "b"]


def test_public_invalid_proofs(vectors: Path) -> None:
    stated = json.loads((vectors / "tlog/vectors_text_formats.json").read_text())["tlog_proof"]
    assert len(stated["invalid"]) >= 7
    for text in stated["invalid"]:
        with pytest.raises(ParseError):
            parse_tlog_proof(text.encode())
    assert (
        parse_tlog_proof(stated["invalid"][-1].replace("index 01", "index 1").encode()).index == 1
    )


# Reading.


@pytest.mark.parametrize("raw", [b"", HEADER.encode(), f"{HEADER}\nindex 0\n".encode()])
def test_a_proof_has_a_blank_line(raw: bytes) -> None:
    with rejects(ParseError, "proof", expected="a blank line before the checkpoint", got="^none$"):
        parse_tlog_proof(raw)


def test_a_proof_is_not_endless() -> None:
    assert MAX_PROOF_SIZE > MAX_NOTE_SIZE + 4 * MAX_EXTRA_SIZE // 3 + 45 * MAX_PROOF_HASHES + 100
    with rejects(ParseError, "proof", expected=f"most {MAX_PROOF_SIZE} bytes", got="655361 bytes"):
        parse_tlog_proof(b"x" * (MAX_PROOF_SIZE + 1))


@pytest.mark.parametrize("header", ["", "index 0", f"{HEADER} ", f" {HEADER}", f"{HEADER}\r"])
def test_the_header(header: str) -> None:
    if header == f"{HEADER} " or header.endswith("\r"):
        with rejects(UnsupportedError, "proof", expected=HEADER, got=HEADER):
            parse_tlog_proof(f"{header}\nindex 0\n\nc\n".encode())
    else:
        with rejects(ParseError, "header of the proof", expected=HEADER, got="'"):
            parse_tlog_proof(f"{header}\nindex 0\n\nc\n".encode())


def test_another_version_is_not_judged() -> None:
    with rejects(UnsupportedError, "proof", expected=HEADER, got="tlog-proof@v2"):
        parse_tlog_proof(b"c2sp.org/tlog-proof@v2\nindex 0\n\nc\n")


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "extra AA==\n",
        "Index 0\n",
        "index\t0\n",
        "extra\nindex 0\n",
        "extra AA==\nextra AA==\nindex 0\n",
        " index 0\n",
        "size 3\nindex 0\n",
    ],
)
def test_the_index_line_comes_next(lines: str) -> None:
    with rejects(ParseError, "index of the proof", expected="index <decimal>", got="'"):
        parse_tlog_proof(f"{HEADER}\n{lines}\nc\n".encode())


@pytest.mark.parametrize("index", ["", "01", "+1", "-1", "1 ", " 1", "1_0", str(2**63), "1\r"])
def test_the_index_is_a_strict_decimal(index: str) -> None:
    with rejects(ParseError, "index of the proof", expected="a decimal", got=""):
        parse_tlog_proof(f"{HEADER}\nindex {index}\n\nc\n".encode())


@pytest.mark.parametrize("extra", ["!!", "AA", "AB==", " AA==", "AA== "])
def test_the_extra_is_base64(extra: str) -> None:
    with rejects(ParseError, "extra of the proof", expected="canonical base64", got="'"):
        parse_tlog_proof(f"{HEADER}\nextra {extra}\nindex 0\n\nc\n".encode())


@pytest.mark.parametrize("size", [0, MAX_EXTRA_SIZE + 1])
def test_the_size_of_the_extra(size: int) -> None:
    extra = base64.b64encode(bytes(size)).decode()
    with rejects(ParseError, "extra of the proof", expected="1 to 65536 bytes", got=f"^{size} by"):
        parse_tlog_proof(f"{HEADER}\nextra {extra}\nindex 0\n\nc\n".encode())


@pytest.mark.parametrize(
    ("line", "got"),
    [("c2hvcnQ=", "5 bytes"), ("A" * 43, "AAA"), ("A" * 42 + "B=", "AB="), (" ", "' '")],
)
def test_the_hashes_are_base64_of_32_bytes(line: str, got: str) -> None:
    with rejects(ParseError, "hash of the proof", expected="base64 of 32 bytes", got=got):
        parse_tlog_proof(f"{HEADER}\nindex 0\n{line}\n\nc\n".encode())


def test_too_many_hashes() -> None:
    line = base64.b64encode(LEAVES[0]).decode() + "\n"
    with rejects(ParseError, "proof", expected="at most 63 hashes", got="^64 hashes"):
        parse_tlog_proof(f"{HEADER}\nindex 0\n{line * 64}\nc\n".encode())


def test_a_proof_is_utf8() -> None:
    with rejects(ParseError, "proof", expected="UTF-8", got="byte 0 is not"):
        parse_tlog_proof(b"\xff\n\nc\n")


@pytest.mark.parametrize(
    "proof",
    [
        altered(index=-1),
        altered(index=2**63),
        altered(hashes=(b"short",)),
        altered(hashes=(LEAVES[0],) * 64),
        altered(extra=b""),
        altered(extra=bytes(MAX_EXTRA_SIZE + 1)),
        altered(checkpoint_raw=bytes(MAX_PROOF_SIZE)),
    ],
)
def test_what_no_file_can_hold(proof: TlogProof) -> None:
    with pytest.raises(ValueError, match="not a proof"):
        encode_tlog_proof(proof)


# Verifying, in order: log, witnesses, inclusion.


def fails(proof: TlogProof, what: str, *, expected: str, got: str, entry: bytes = ENTRY) -> None:
    with rejects(VerificationError, what, expected=expected, got=got):
        verify_tlog_proof(proof, entry=entry, policy=POLICY)


def test_another_log_is_not_the_log() -> None:
    said = checkpoint(TREE, origin="example.com/other")
    raw = note(said, log("example.com/other").sign_checkpoint(said), W1.cosign(said))
    fails(altered(checkpoint_raw=raw), "origin of the checkpoint", expected=ORIGIN, got="other")


def test_the_log_is_judged_before_the_witnesses() -> None:
    stranger = signer(ORIGIN, label="stranger")
    raw = note(SAID, stranger.sign_checkpoint(SAID))
    fails(altered(checkpoint_raw=raw), "log signature", expected=ORIGIN, got=ORIGIN)


def test_the_witnesses_are_judged_before_the_inclusion() -> None:
    raw = note(SAID, log().sign_checkpoint(SAID), W1.cosign(SAID))
    proof = altered(checkpoint_raw=raw, index=9)
    fails(proof, "witness quorum", expected="g = 2 of", got="^'a'$")


@pytest.mark.parametrize("index", [3, 4, 2**63 - 1])
def test_the_index_is_below_the_signed_size(index: int) -> None:
    fails(altered(index=index), "index of the entry", expected="^below 3$", got=f"^{index}$")


def test_another_place_is_not_proven() -> None:
    fails(altered(index=0), "inclusion proof", expected=TREE.root.hex(), got="root")
    fails(altered(index=2), "inclusion proof", expected="^2 hashes", got="^3 hashes")


def test_another_entry_is_not_proven() -> None:
    fails(PROOF, "inclusion proof", expected=TREE.root.hex(), got="root", entry=ENTRY + b"\n")
    # The two halves of a node are no entry, whatever they hash to.
    halves = LEAVES[0] + LEAVES[1]
    proof = altered(index=0, hashes=(LEAVES[2],))
    fails(proof, "inclusion proof", expected="^3 hashes", got="^2 hashes", entry=halves)


def test_hashes_must_be_those_of_the_tree() -> None:
    for hashes in ((LEAVES[2], LEAVES[0]), (LEAVES[0], LEAVES[0])):
        fails(altered(hashes=hashes), "inclusion proof", expected=TREE.root.hex(), got="root")


def test_a_checkpoint_that_cannot_be_read() -> None:
    with rejects(ParseError, "note", expected="a blank line", got="junk"):
        verify_tlog_proof(altered(checkpoint_raw=b"junk\n"), entry=ENTRY, policy=POLICY)


def test_a_policy_without_logs_proves_nothing() -> None:
    policy = parse_tlog_policy("quorum none\n")
    with rejects(
        VerificationError, "origin of the checkpoint", expected="the policy names none", got=ORIGIN
    ):
        verify_tlog_proof(PROOF, entry=ENTRY, policy=policy)


def test_the_extra_is_not_authenticated() -> None:
    for extra in (None, b"anything else"):
        assert verify_tlog_proof(altered(extra=extra), entry=ENTRY, policy=POLICY).index == 1


@pytest.mark.parametrize("flip", [1, 0x80])
def test_no_single_byte_can_be_changed(flip: int) -> None:
    """Every byte of the file counts, but those of the extra, which nobody signed."""
    raw = encode_tlog_proof(altered(checkpoint_raw=note(SAID, log().sign_checkpoint(SAID))))
    policy = parse_tlog_policy(f"log {log().key}\nquorum none\n")
    assert verify_tlog_proof(parse_tlog_proof(raw), entry=ENTRY, policy=policy).index == 1
    start = raw.index(b"extra ") + len(b"extra ")
    end = raw.index(b"\n", start)
    accepted = []
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= flip
        try:
            verify_tlog_proof(parse_tlog_proof(bytes(changed)), entry=ENTRY, policy=policy)
        except AuditError:
            continue
        accepted.append(position)
    assert all(start <= position < end for position in accepted), accepted
