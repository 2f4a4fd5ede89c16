"""Checkpoints: what a log signs about itself (C2SP tlog-checkpoint v1.0.0).

The text of the note is the origin, the size and the root, then extension lines, one a line. The
origin must be the name of the key, so that no log can speak for another.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.merkle import EMPTY_ROOT, HASH_SIZE, MAX_TREE_SIZE, TreeHead
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    SignedNote,
    VerificationKey,
    parse_note,
    verify_text_signature,
)
from verifier.tlog.strict import excerpt, parse_base64, parse_decimal
from verifier.tlog.timestamped_signature import verify_timestamped_signature

__all__ = [
    "MAX_CHECKPOINT_TEXT",
    "Checkpoint",
    "SignedCheckpoint",
    "encode_checkpoint",
    "open_checkpoint",
    "parse_checkpoint",
]

MAX_CHECKPOINT_TEXT = 2**14
"""Longest text of a checkpoint, extension lines included, in characters."""

_LOG_ALGORITHMS = (Algorithm.ED25519, Algorithm.COSIGNATURE_MLDSA44)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says, believed by no one. ``extensions`` are whole lines, not empty."""

    origin: str
    tree: TreeHead
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint that its log signed. Made by ``open_checkpoint``.

    ``keys`` are those of the given keys whose signatures verified, at least one.
    """

    checkpoint: Checkpoint
    note: SignedNote
    keys: tuple[VerificationKey, ...]

    @property
    def tree(self) -> TreeHead:
        """Size and root that the log signed."""
        return self.checkpoint.tree

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.checkpoint.origin

    @property
    def key(self) -> VerificationKey:
        """The first of ``keys``."""
        return self.keys[0]


def parse_checkpoint(note: SignedNote) -> Checkpoint:
    """Read the text of a note as a checkpoint. Raises ParseError."""
    text = note.text
    if len(text) > MAX_CHECKPOINT_TEXT:
        expected = f"at most {MAX_CHECKPOINT_TEXT} characters"
        raise ParseError("checkpoint", expected=expected, got=f"{len(text)} characters")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or "" in lines:
        expected = "origin, size, root and extension lines, none empty"
        raise ParseError("checkpoint", expected=expected, got=excerpt(text))
    size = parse_decimal(lines[1], what="size of the checkpoint", maximum=MAX_TREE_SIZE)
    root = parse_base64(lines[2], what="root of the checkpoint", size=HASH_SIZE)
    return Checkpoint(origin=lines[0], tree=TreeHead(size, root), extensions=tuple(lines[3:]))


def encode_checkpoint(checkpoint: Checkpoint) -> str:
    """Text of the note that says this: the exact inverse of ``parse_checkpoint``.

    ValueError if a line is empty or contains a newline, or the text is too long.
    """
    root = base64.b64encode(checkpoint.tree.root).decode("ascii")
    lines = (checkpoint.origin, str(checkpoint.tree.size), root, *checkpoint.extensions)
    if any(not line or "\n" in line for line in lines):
        message = "a line of a checkpoint is not empty and has no newline"
        raise ValueError(message)
    text = "\n".join((*lines, ""))
    if len(text) > MAX_CHECKPOINT_TEXT:
        message = f"a checkpoint has at most {MAX_CHECKPOINT_TEXT} characters"
        raise ValueError(message)
    return text


def open_checkpoint(raw: bytes, *, keys: tuple[VerificationKey, ...]) -> SignedCheckpoint:
    """Read a checkpoint and verify that the log of ``keys`` signed it.

    ``keys`` are the keys of ONE log, all with its origin as their name: Ed25519 (0x01),
    ML-DSA-44 (0x06), or both. At least one must have signed; every signature of any of them must
    verify. Raises ParseError, VerificationError, UnsupportedError for a key of another type, and
    ValueError if no key or keys of several logs are given.
    """
    if len({key.name for key in keys}) != 1:
        message = "the keys of one log are needed"
        raise ValueError(message)
    for key in keys:
        if key.algorithm not in _LOG_ALGORITHMS:
            expected = "a log key of type 0x01 or 0x06"
            got = f"type {key.algorithm:#04x}"
            raise UnsupportedError(f"key {key.name}", expected=expected, got=got)
    note = parse_note(raw)
    checkpoint = parse_checkpoint(note)
    if checkpoint.origin != keys[0].name:
        got = excerpt(checkpoint.origin)
        raise VerificationError("origin of the checkpoint", expected=excerpt(keys[0].name), got=got)
    signers = tuple(key for key in keys if note.signatures_of(key))
    if not signers:
        expected = " or ".join(f"{key.name} {key.key_id.hex()}" for key in keys)
        raise VerificationError("log signature", expected=expected, got=_named(note))
    for key in signers:
        for signature in note.signatures_of(key):
            _verify_signature(note, checkpoint, signature, key)
    if checkpoint.tree.size == 0 and checkpoint.tree.root != EMPTY_ROOT:
        got = checkpoint.tree.root.hex()
        raise VerificationError("root of the empty tree", expected=EMPTY_ROOT.hex(), got=got)
    return SignedCheckpoint(checkpoint=checkpoint, note=note, keys=signers)


def _verify_signature(
    note: SignedNote, checkpoint: Checkpoint, signature: NoteSignature, key: VerificationKey
) -> None:
    if key.algorithm is Algorithm.ED25519:
        verify_text_signature(note.text, signature, key=key)
    else:
        verify_timestamped_signature(
            signature, key=key, text=note.text, origin=checkpoint.origin, tree=checkpoint.tree
        )


def _named(note: SignedNote) -> str:
    names = [f"{excerpt(one.name)} {one.key_id.hex()}" for one in note.signatures[:3]]
    more = len(note.signatures) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
