"""The log's private key, and the only function of the record that signs.

The key file holds one line, ``PRIVATE+KEY+<name>+<key ID>+<base64 of type and seed>``, the form of
Go's ``sumdb/note``, so that a log can move between implementations with its key.
"""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from log_server.durable import storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError
from verifier.errors import ParseError
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint, open_checkpoint
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    VerificationKey,
    encode_note,
    parse_public_key,
)
from verifier.tlog.strict import parse_base64, parse_hex, parse_utf8

__all__ = [
    "SEED_SIZE",
    "Ed25519Signer",
    "Signer",
    "generate_key",
    "parse_private_key",
    "read_key",
    "sign_checkpoint",
]

SEED_SIZE = 32
"""Bytes of an Ed25519 seed (RFC 8032 section 5.1.5)."""

_PREFIX = "PRIVATE+KEY+"
_MAX_KEY_FILE = 4096
_WIDER_THAN_OWNER = 0o077


class Signer(Protocol):
    """Signs checkpoints with one key. A log has a tuple of them."""

    @property
    def key(self) -> VerificationKey:
        """The public half."""

    def sign(self, text: str) -> NoteSignature:
        """Signature line over the text of a checkpoint."""


class Ed25519Signer:
    """A plain Ed25519 note key (type 0x01)."""

    def __init__(self, *, name: str, seed: bytes) -> None:
        """Derive the key from 32 bytes of seed. Raises ConfigurationError for a bad name."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        try:
            self._key = parse_public_key(
                name=name,
                algorithm=Algorithm.ED25519,
                public_key=self._private.public_key().public_bytes_raw(),
            )
        except ParseError as error:
            raise ConfigurationError(
                "name of the log", expected=error.expected, got=error.got
            ) from None

    @property
    def key(self) -> VerificationKey:
        """The public half."""
        return self._key

    def sign(self, text: str) -> NoteSignature:
        """Signature line over ``text`` (C2SP signed-note, type 0x01)."""
        signature = self._private.sign(text.encode())
        return NoteSignature(name=self._key.name, key_id=self._key.key_id, signature=signature)

    def encode(self) -> str:
        """The private key as text; ``parse_private_key`` is the inverse."""
        material = base64.b64encode(bytes([Algorithm.ED25519]) + self._seed).decode("ascii")
        return f"{_PREFIX}{self._key.name}+{self._key.key_id.hex()}+{material}"


def generate_key(path: Path, *, name: str) -> Ed25519Signer:
    """Make a key and its file, readable by its owner only.

    Raises ConfigurationError for a bad name, StorageError if the file exists.
    """
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    signer = Ed25519Signer(name=name, seed=seed)
    with storage_errors(path.name):
        write_new(path, f"{signer.encode()}\n".encode(), mode=0o600)
        sync_folder(path.parent)
    return signer


def read_key(path: Path) -> Ed25519Signer:
    """Read a key file. Raises ConfigurationError, also if others may read it."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(path.name, expected="a regular file", got="something else")
        if mode & _WIDER_THAN_OWNER:
            got = f"mode {stat.S_IMODE(mode):04o}"
            raise ConfigurationError(path.name, expected="mode 0600", got=got)
        raw = path.read_bytes()[: _MAX_KEY_FILE + 1]
    except OSError as error:
        got = error.strerror or "an error"
        raise ConfigurationError(path.name, expected="a key file", got=got) from error
    try:
        return parse_private_key(parse_utf8(raw, what="key file").removesuffix("\n"))
    except ParseError as error:
        raise ConfigurationError(error.what, expected=error.expected, got=error.got) from None


def parse_private_key(text: str) -> Ed25519Signer:
    """Read ``PRIVATE+KEY+<name>+<key ID>+<base64>``. Raises ParseError.

    No part of the text is quoted in an error: it is secret.
    """
    parts = text.removeprefix(_PREFIX).split("+", 2)
    if not text.startswith(_PREFIX) or len(parts) != 3:
        expected = f"{_PREFIX}<name>+<key ID>+<base64>"
        raise ParseError("private key", expected=expected, got="another form")
    name, identifier, encoded = parts
    signer = Ed25519Signer(name=name, seed=_parse_seed(encoded))
    stated = parse_hex(identifier, what="key ID of the private key", size=4)
    if signer.key.key_id != stated:
        expected = signer.key.key_id.hex()
        raise ParseError("key ID of the private key", expected=expected, got=stated.hex())
    return signer


def _parse_seed(encoded: str) -> bytes:
    what = "seed of the private key"
    try:
        material = parse_base64(encoded, what=what, size=1 + SEED_SIZE)
    except ParseError as error:
        raise ParseError(what, expected=error.expected, got="something else") from None
    if material[0] != Algorithm.ED25519:
        expected = f"type {Algorithm.ED25519:#04x}"
        raise ParseError("type of the private key", expected=expected, got=f"{material[0]:#04x}")
    return material[1:]


def sign_checkpoint(checkpoint: Checkpoint, signers: tuple[Signer, ...]) -> bytes:
    """The signed note over ``checkpoint``, by every signer.

    The result is opened again before it is given out: a signature that a fault made wrong is
    never stored, and says nothing about the key to those who collect such signatures.
    """
    text = encode_checkpoint(checkpoint)
    raw = encode_note(text, tuple(signer.sign(text) for signer in signers))
    open_checkpoint(raw, keys=tuple(signer.key for signer in signers))
    return raw
