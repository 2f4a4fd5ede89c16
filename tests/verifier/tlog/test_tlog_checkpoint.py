from __future__ import annotations

import base64

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import (
    ORIGIN,
    Signer,
    checkpoint,
    log,
    mldsa_log,
    note,
    signer,
    witness,
)
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.checkpoint import (
    MAX_CHECKPOINT_TEXT,
    Checkpoint,
    encode_checkpoint,
    open_checkpoint,
    parse_checkpoint,
)
from verifier.tlog.merkle import EMPTY_ROOT, MAX_TREE_SIZE, TreeHead, leaf_hash
from verifier.tlog.note import NoteSignature, SignedNote, VerificationKey

TREE = TreeHead(7, leaf_hash(b"root"))
SAID = checkpoint(TREE)
ROOT64 = base64.b64encode(TREE.root).decode()
GREASE = NoteSignature(name="grease", key_id=b"1234", signature=b"x")


def text_note(text: str) -> SignedNote:
    return SignedNote(text=text, signatures=(GREASE,), raw=b"")


@pytest.mark.parametrize("extensions", [(), ("one",), ("one", "two ü", " x ")])
def test_a_checkpoint_is_read_and_written(extensions: tuple[str, ...]) -> None:
    said = checkpoint(TREE, *extensions)
    text = encode_checkpoint(said)
    assert text == "".join(f"{line}\n" for line in (ORIGIN, "7", ROOT64, *extensions))
    assert parse_checkpoint(text_note(text)) == said


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "origin\n",
        "origin\n7\n",
        f"\n7\n{ROOT64}\n",
        f"origin\n\n7\n{ROOT64}\n",
        f"origin\n7\n{ROOT64}\n\n",
        f"origin\n7\n{ROOT64}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with rejects(ParseError, "checkpoint", expected="none empty", got="'"):
        parse_checkpoint(text_note(text))


@pytest.mark.parametrize(
    "size", ["07", "+7", "-1", "7 ", "1_0", "\u0667", str(2**63), "9" * 30, "x"]
)
def test_the_size_of_a_checkpoint(size: str) -> None:
    with rejects(ParseError, "size of the checkpoint", expected="a decimal", got=""):
        parse_checkpoint(text_note(f"origin\n{size}\n{ROOT64}\n"))


@pytest.mark.parametrize(
    "root", [ROOT64[:-1], ROOT64 + "=", "AAAA", ROOT64[:-2] + "B=", f" {ROOT64}"]
)
def test_the_root_of_a_checkpoint(root: str) -> None:
    with rejects(ParseError, "root of the checkpoint", expected="base64 of 32 bytes", got=""):
        parse_checkpoint(text_note(f"origin\n7\n{root}\n"))


def test_a_checkpoint_is_not_endless() -> None:
    text = f"{encode_checkpoint(SAID)}{'x' * MAX_CHECKPOINT_TEXT}\n"
    with rejects(ParseError, "checkpoint", expected=str(MAX_CHECKPOINT_TEXT), got=str(len(text))):
        parse_checkpoint(text_note(text))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (checkpoint(TREE, origin=""), "not empty"),
        (checkpoint(TREE, ""), "not empty"),
        (checkpoint(TREE, "a\nb"), "no newline"),
        (checkpoint(TREE, "x" * MAX_CHECKPOINT_TEXT), f"at most {MAX_CHECKPOINT_TEXT}"),
    ],
)
def test_what_no_checkpoint_can_say(said: Checkpoint, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_checkpoint(said)


@pytest.mark.parametrize("extensions", [(), ("an extension",)])
@pytest.mark.parametrize("by", [(log(),), (mldsa_log(),), (log(), mldsa_log())])
def test_a_log_signs_with_either_key_or_both(
    by: tuple[Signer, ...], extensions: tuple[str, ...]
) -> None:
    said = checkpoint(TREE, *extensions)
    raw = note(said, GREASE, *(one.sign_checkpoint(said) for one in by))
    keys = tuple(one.key for one in by)
    signed = open_checkpoint(raw, keys=keys)
    assert (signed.checkpoint, signed.tree, signed.origin) == (said, TREE, ORIGIN)
    assert (signed.keys, signed.key) == (keys, keys[0])
    assert signed.note.raw == raw
    # A key that did not sign is no obstacle as long as another one did.
    both = (log().key, mldsa_log().key)
    assert open_checkpoint(raw, keys=both).keys == keys


def test_the_empty_tree() -> None:
    empty = checkpoint(TreeHead(0, EMPTY_ROOT))
    assert (
        open_checkpoint(note(empty, log().sign_checkpoint(empty)), keys=(log().key,)).tree.size == 0
    )
    forged = checkpoint(TreeHead(0, TREE.root))
    with rejects(
        VerificationError,
        "root of the empty tree",
        expected=EMPTY_ROOT.hex(),
        got=TREE.root.hex(),
    ):
        open_checkpoint(note(forged, log().sign_checkpoint(forged)), keys=(log().key,))


def test_the_largest_tree() -> None:
    said = checkpoint(TreeHead(MAX_TREE_SIZE, TREE.root))
    assert (
        open_checkpoint(note(said, log().sign_checkpoint(said)), keys=(log().key,)).tree
        == said.tree
    )


@pytest.mark.parametrize("keys", [(), (log().key, log("example.com/other").key)])
def test_the_keys_are_those_of_one_log(keys: tuple[VerificationKey, ...]) -> None:
    with pytest.raises(ValueError, match="keys of one log"):
        open_checkpoint(note(SAID, log().sign_checkpoint(SAID)), keys=keys)


def test_a_witness_key_is_no_log_key() -> None:
    key = witness(ORIGIN).key
    with rejects(UnsupportedError, f"key {ORIGIN}", expected="type 0x01 or 0x06", got="type 0x04"):
        open_checkpoint(note(SAID, log().sign_checkpoint(SAID)), keys=(log().key, key))


def test_no_log_speaks_for_another() -> None:
    said = checkpoint(TREE, origin="example.com/other")
    raw = note(said, log().sign_checkpoint(said))
    with rejects(
        VerificationError,
        "origin of the checkpoint",
        expected=ORIGIN,
        got="example.com/other",
    ):
        open_checkpoint(raw, keys=(log().key,))


def test_an_unsigned_checkpoint_names_who_did_sign() -> None:
    more = [NoteSignature(name=f"g{n}", key_id=b"1234", signature=b"x") for n in range(4)]
    for signatures, got in ((more[:3], "'g2' 31323334$"), (more, "'g2' 31323334 and 1 more$")):
        with rejects(
            VerificationError,
            "log signature",
            expected=f"{ORIGIN} {log().key.key_id.hex()} or {ORIGIN}",
            got=got,
        ):
            open_checkpoint(note(SAID, *signatures), keys=(log().key, mldsa_log().key))


@pytest.mark.parametrize("bad", [log().line(bytes(64)), log().line(bytes(63))])
def test_a_bad_ed25519_signature_rejects_the_checkpoint(bad: NoteSignature) -> None:
    raw = note(SAID, mldsa_log().cosign(SAID), log().sign_checkpoint(SAID), bad)
    with rejects(
        VerificationError, f"signature of {ORIGIN}", expected="valid Ed25519", got="not verify"
    ):
        open_checkpoint(raw, keys=(log().key, mldsa_log().key))


def test_a_bad_mldsa44_signature_rejects_the_checkpoint() -> None:
    bad = mldsa_log().line(bytes(8 + 2420))
    raw = note(SAID, log().sign_checkpoint(SAID), bad)
    with rejects(
        VerificationError, f"cosignature of {ORIGIN}", expected="valid ML-DSA-44", got="not verify"
    ):
        open_checkpoint(raw, keys=(log().key, mldsa_log().key))
    # Whoever does not know the key ignores its signature.
    assert open_checkpoint(raw, keys=(log().key,)).keys == (log().key,)


def test_an_mldsa44_signature_of_another_tree() -> None:
    other = checkpoint(TreeHead(8, TREE.root))
    raw = note(SAID, mldsa_log().cosign(other))
    with rejects(
        VerificationError, f"cosignature of {ORIGIN}", expected="valid ML-DSA-44", got="not verify"
    ):
        open_checkpoint(raw, keys=(mldsa_log().key,))


def test_another_key_of_the_same_name_is_not_the_log() -> None:
    stranger = signer(ORIGIN, label="stranger")
    raw = note(SAID, stranger.sign_checkpoint(SAID))
    with rejects(
        VerificationError,
        "log signature",
        expected=log().key.key_id.hex(),
        got=stranger.key.key_id.hex(),
    ):
        open_checkpoint(raw, keys=(log().key,))
