"""Keys that sign, for tests: the verifier itself never holds a private key."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    VerificationKey,
    encode_note,
    parse_public_key,
)
from verifier.tlog.timestamped_signature import ed25519_message, mldsa44_message

ORIGIN = "example.com/log"
TIME = 1_700_000_000


@dataclass(frozen=True)
class Signer:
    """A key and what it takes to sign with it, deterministic for each name and algorithm."""

    key: VerificationKey
    sign: Callable[[bytes], bytes]

    def line(self, signature: bytes) -> NoteSignature:
        return NoteSignature(name=self.key.name, key_id=self.key.key_id, signature=signature)

    def sign_text(self, text: str) -> NoteSignature:
        """A plain signature (0x01)."""
        return self.line(self.sign(text.encode()))

    def cosign(self, checkpoint: Checkpoint, timestamp: int = TIME) -> NoteSignature:
        """A timestamped signature (0x04 or 0x06)."""
        if self.key.algorithm is Algorithm.COSIGNATURE_ED25519:
            message = ed25519_message(timestamp, encode_checkpoint(checkpoint))
        else:
            message = mldsa44_message(
                cosigner=self.key.name,
                timestamp=timestamp,
                origin=checkpoint.origin,
                start=0,
                end=checkpoint.tree.size,
                root=checkpoint.tree.root,
            )
        return self.line(timestamp.to_bytes(8, "big") + self.sign(message))

    def sign_checkpoint(self, checkpoint: Checkpoint) -> NoteSignature:
        if self.key.algorithm is Algorithm.ED25519:
            return self.sign_text(encode_checkpoint(checkpoint))
        return self.cosign(checkpoint)


@functools.cache
def signer(name: str, algorithm: Algorithm = Algorithm.ED25519, label: str = "") -> Signer:
    seed = hashlib.sha256(f"{name} {algorithm} {label}".encode()).digest()
    private: Ed25519PrivateKey | MLDSA44PrivateKey
    if algorithm is Algorithm.COSIGNATURE_MLDSA44:
        private = MLDSA44PrivateKey.from_seed_bytes(seed)
    else:
        private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    key = parse_public_key(name=name, algorithm=algorithm, public_key=public)
    return Signer(key, private.sign)


def log(name: str = ORIGIN) -> Signer:
    return signer(name, Algorithm.ED25519)


def mldsa_log(name: str = ORIGIN) -> Signer:
    return signer(name, Algorithm.COSIGNATURE_MLDSA44)


def witness(name: str) -> Signer:
    return signer(name, Algorithm.COSIGNATURE_ED25519)


def mldsa_witness(name: str) -> Signer:
    return signer(name, Algorithm.COSIGNATURE_MLDSA44)


def checkpoint(tree: TreeHead, *extensions: str, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin=origin, tree=tree, extensions=extensions)


def note(said: Checkpoint, *signatures: NoteSignature) -> bytes:
    """The raw note that says ``said``."""
    return encode_note(encode_checkpoint(said), signatures)
