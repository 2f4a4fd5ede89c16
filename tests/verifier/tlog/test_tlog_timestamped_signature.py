from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import (
    ORIGIN,
    TIME,
    Signer,
    checkpoint,
    log,
    mldsa_witness,
    note,
    witness,
)
from verifier.errors import UnsupportedError, VerificationError
from verifier.tlog import timestamped_signature
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint, parse_checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.note import NoteSignature, VerificationKey, parse_note, parse_vkey
from verifier.tlog.timestamped_signature import (
    MAX_TIMESTAMP,
    ed25519_message,
    mldsa44_message,
    verify_timestamped_signature,
)

TREE = TreeHead(7, leaf_hash(b"root"))
SAID = checkpoint(TREE, "an extension")
BOTH = (witness("w1.example"), mldsa_witness("w2.example"))


def verify(signature: NoteSignature, key: VerificationKey, said: Checkpoint = SAID) -> int:
    return verify_timestamped_signature(
        signature, key=key, text=encode_checkpoint(said), origin=said.origin, tree=said.tree
    )


def test_what_ed25519_signs() -> None:
    message = ed25519_message(1679315147, "example.com/behind-the-sofa\n20852163\nroot\n")
    assert message == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nroot\n"
    )


def test_what_mldsa44_signs() -> None:
    message = mldsa44_message(
        cosigner="wü", timestamp=5, origin="o", start=0, end=258, root=b"r" * 32
    )
    assert message == (
        b"subtree/v1\n\0\x03w\xc3\xbc" + bytes(7) + b"\x05\x01o" + bytes(8)
        + bytes(6) + b"\x01\x02" + b"r" * 32
    )  # fmt: skip
    subtree = mldsa44_message(
        cosigner="w", timestamp=0, origin="o" * 255, start=256, end=258, root=b"r" * 32
    )
    assert subtree.endswith(
        b"\xff" + b"o" * 255 + (256).to_bytes(8, "big") + (258).to_bytes(8, "big") + b"r" * 32
    )


@pytest.mark.parametrize("timestamp", [-1, MAX_TIMESTAMP + 1])
def test_times_out_of_range(timestamp: int) -> None:
    with pytest.raises(ValueError, match=f"no timestamp: {timestamp}"):
        ed25519_message(timestamp, "text\n")
    with pytest.raises(ValueError, match=f"no timestamp: {timestamp}"):
        mldsa44_message(
            cosigner="w", timestamp=timestamp, origin="o", start=0, end=1, root=b"r" * 32
        )


@pytest.mark.parametrize(
    ("timestamp", "start", "end"), [(0, -1, 1), (0, 2, 1), (1, 1, 2), (0, 0, 2**63)]
)
def test_what_is_no_subtree(timestamp: int, start: int, end: int) -> None:
    with pytest.raises(ValueError, match=r"no subtree|no tree head"):
        mldsa44_message(
            cosigner="w", timestamp=timestamp, origin="o", start=start, end=end, root=b"r" * 32
        )


@pytest.mark.parametrize(
    ("cosigner", "origin"), [("", "o"), ("w", ""), ("w" * 256, "o"), ("w", "é" * 128)]
)
def test_names_that_do_not_fit(cosigner: str, origin: str) -> None:
    with pytest.raises(ValueError, match="a name of 1 to 255 bytes"):
        mldsa44_message(
            cosigner=cosigner, timestamp=0, origin=origin, start=0, end=1, root=b"r" * 32
        )


@pytest.mark.parametrize("timestamp", [0, 1, TIME, MAX_TIMESTAMP])
@pytest.mark.parametrize("by", BOTH)
def test_the_time_is_returned(by: Signer, timestamp: int) -> None:
    assert verify(by.cosign(SAID, timestamp), by.key) == timestamp


def test_only_ed25519_binds_extension_lines_and_only_mldsa44_the_name() -> None:
    bare = checkpoint(TREE)
    plain, lattice = BOTH
    with pytest.raises(VerificationError):
        verify(plain.cosign(SAID), plain.key, bare)
    assert verify(lattice.cosign(SAID), lattice.key, bare) == TIME


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    "other",
    [
        checkpoint(TreeHead(8, TREE.root), "an extension"),
        checkpoint(TreeHead(7, bytes(32)), "an extension"),
        checkpoint(TREE, "an extension", origin="example.com/other"),
    ],
)
def test_another_checkpoint_is_not_signed(by: Signer, other: Checkpoint) -> None:
    with rejects(
        VerificationError, f"cosignature of {by.key.name}", expected="a valid", got="not verify"
    ):
        verify(by.cosign(SAID), by.key, other)


@pytest.mark.parametrize("by", BOTH)
def test_another_time_is_not_signed(by: Signer) -> None:
    signature = by.cosign(SAID).signature
    later = by.line((TIME + 1).to_bytes(8, "big") + signature[8:])
    with rejects(
        VerificationError, f"cosignature of {by.key.name}", expected="a valid", got="not verify"
    ):
        verify(later, by.key)


@pytest.mark.parametrize(("by", "size"), [(BOTH[0], 72), (BOTH[1], 2428)])
def test_the_size_of_a_cosignature(by: Signer, size: int) -> None:
    whole = by.cosign(SAID).signature
    assert len(whole) == size
    for wrong in (whole[:-1], whole + b"\0", whole[:8]):
        with rejects(
            VerificationError,
            f"cosignature of {by.key.name}",
            expected=f"^{size} bytes",
            got=f"^{len(wrong)} bytes",
        ):
            verify(by.line(wrong), by.key)


@pytest.mark.parametrize("by", BOTH)
def test_a_time_beyond_the_last(by: Signer) -> None:
    wrong = by.line((2**63).to_bytes(8, "big") + by.cosign(SAID).signature[8:])
    with rejects(
        VerificationError, f"cosignature of {by.key.name}", expected=str(2**63 - 1), got=str(2**63)
    ):
        verify(wrong, by.key)


def test_a_plain_key_makes_no_cosignature() -> None:
    with rejects(UnsupportedError, f"key {ORIGIN}", expected="0x04 or 0x06", got="0x01"):
        verify(log().sign_checkpoint(SAID), log().key)


def test_a_library_without_mldsa44(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        @staticmethod
        def from_public_bytes(_: bytes) -> MLDSA44PublicKey:
            raise UnsupportedAlgorithm("ML-DSA-44")

    by = mldsa_witness("w2.example")
    signature = by.cosign(SAID)
    monkeypatch.setattr(timestamped_signature, "MLDSA44PublicKey", Lacking)
    with rejects(
        UnsupportedError, f"cosignature of {by.key.name}", expected="with ML-DSA-44", got="without"
    ):
        verify(signature, by.key)


def test_cosignatures_of_a_real_witness(vectors: Path) -> None:
    """Checkpoints as Sunlight's witness and mirror serve them, each with its published key."""
    folder = vectors / "tlog/filosottile_sunlight/cmd/skylight/testdata"
    found = []
    for described in sorted(folder.rglob("*.v0.json")):
        (vkey,) = json.loads(described.read_text())["verifier_keys"]
        key = parse_vkey(vkey)
        for path in sorted(described.parent.glob("*/checkpoint")):
            if len(path.parent.name) == 64:
                read = parse_note(path.read_bytes())
                said = parse_checkpoint(read)
                (signature,) = read.signatures_of(key)
                found.append((said.origin, said.tree.size, verify(signature, key, said)))
                with pytest.raises(VerificationError):
                    verify(signature, key, checkpoint(said.tree, origin="rome2027.example.org"))
    assert sorted(found) == [
        ("milan2026h1.example.org", 300, 1767139200),
        ("rome2026h1.example.org", 300, 1767139200),
        ("rome2026h1.example.org", 300, 1767139200),
    ]


def test_a_log_signature_of_rfc_6962_is_an_unknown_line(vectors: Path) -> None:
    origin = "000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706"
    folder = vectors / "tlog/filosottile_sunlight/cmd/skylight/testdata/witness"
    read = parse_note((folder / origin / "checkpoint").read_bytes())
    assert [one.name for one in read.signatures] == [
        "rome2026h1.example.org",
        "witness.example.org",
    ]
    assert len(read.signatures[0].signature) == 83


def test_the_cosignature_in_the_specification_is_read() -> None:
    said = Checkpoint(
        origin="example.com/behind-the-sofa",
        tree=TreeHead(20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")),
        extensions=(),
    )
    line = (
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5"
        "nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    blob = base64.b64decode(line)
    raw = note(said, NoteSignature(name="w", key_id=blob[:4], signature=blob[4:]))
    (signature,) = parse_note(raw).signatures
    assert int.from_bytes(signature.signature[:8], "big") == 1679315147
    assert len(signature.signature) == 72
