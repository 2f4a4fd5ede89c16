"""Private keys of logs and witnesses, and the only functions of the record that sign.

A key file holds one key a line, ``PRIVATE+KEY+<name>+<key ID>+<base64 of type and seed>``, the
form of Go's ``sumdb/note``, so that a log can move between implementations with its key. A log
has an Ed25519 key (type 0x01) and may have an ML-DSA-44 key (0x06) after it; a witness likewise,
its Ed25519 key being of type 0x04.
"""

from __future__ import annotations

import base64
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from log_server.durable import storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError
from verifier.errors import ParseError
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint, open_checkpoint
from verifier.tlog.merkle import HASH_SIZE
from verifier.tlog.note import (
    Algorithm,
    NoteSignature,
    VerificationKey,
    encode_note,
    parse_public_key,
)
from verifier.tlog.strict import parse_base64, parse_decimal, parse_hex, parse_utf8
from verifier.tlog.timestamped_signature import ed25519_message, mldsa44_message

__all__ = [
    "SEED_SIZE",
    "Cosigner",
    "Ed25519Cosigner",
    "Ed25519Signer",
    "Mldsa44Signer",
    "PrivateKey",
    "Signer",
    "generate_cosigners",
    "generate_key",
    "generate_signers",
    "parse_private_key",
    "read_cosigners",
    "read_key",
    "read_signers",
    "sign_checkpoint",
]

SEED_SIZE = 32
"""Bytes of an Ed25519 seed (RFC 8032 section 5.1.5) and of one of ML-DSA-44 (FIPS 204, xi)."""

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


class Cosigner(Protocol):
    """Cosigns checkpoints with one key. A witness has a tuple of them."""

    @property
    def key(self) -> VerificationKey:
        """The public half."""

    def cosign(self, text: str, *, timestamp: int) -> NoteSignature:
        """Cosignature line over the text of a checkpoint, at a time in seconds since 1970 UTC."""


class _Seeded:
    """A private key that is derived from a seed, and its public half under a name."""

    def __init__(self, *, name: str, seed: bytes, algorithm: Algorithm, public_key: bytes) -> None:
        self._seed = seed
        try:
            self._key = parse_public_key(name=name, algorithm=algorithm, public_key=public_key)
        except ParseError as error:
            what = "name of the log" if algorithm is Algorithm.ED25519 else "name of the key"
            raise ConfigurationError(what, expected=error.expected, got=error.got) from None

    @property
    def key(self) -> VerificationKey:
        """The public half."""
        return self._key

    def encode(self) -> str:
        """The private key as text; ``parse_private_key`` is the inverse."""
        material = base64.b64encode(bytes([self._key.algorithm]) + self._seed).decode("ascii")
        return f"{_PREFIX}{self._key.name}+{self._key.key_id.hex()}+{material}"

    def _line(self, signature: bytes) -> NoteSignature:
        return NoteSignature(name=self._key.name, key_id=self._key.key_id, signature=signature)


class Ed25519Signer(_Seeded):
    """A plain Ed25519 note key (type 0x01)."""

    def __init__(self, *, name: str, seed: bytes) -> None:
        """Derive the key from 32 bytes of seed. Raises ConfigurationError for a bad name."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public_key = self._private.public_key().public_bytes_raw()
        super().__init__(name=name, seed=seed, algorithm=Algorithm.ED25519, public_key=public_key)

    def sign(self, text: str) -> NoteSignature:
        """Signature line over ``text`` (C2SP signed-note, type 0x01)."""
        return self._line(self._private.sign(text.encode()))


class Ed25519Cosigner(_Seeded):
    """An Ed25519 cosigning key (type 0x04). Its message does not name the cosigner."""

    def __init__(self, *, name: str, seed: bytes) -> None:
        """Derive the key from 32 bytes of seed. Raises ConfigurationError for a bad name."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public_key = self._private.public_key().public_bytes_raw()
        super().__init__(
            name=name, seed=seed, algorithm=Algorithm.COSIGNATURE_ED25519, public_key=public_key
        )

    def cosign(self, text: str, *, timestamp: int) -> NoteSignature:
        """Cosignature line over ``text`` (C2SP tlog-cosignature, type 0x04)."""
        signature = self._private.sign(ed25519_message(timestamp, text))
        return self._line(timestamp.to_bytes(8, "big") + signature)


class Mldsa44Signer(_Seeded):
    """An ML-DSA-44 key (type 0x06), of a log or of a witness."""

    def __init__(self, *, name: str, seed: bytes) -> None:
        """Derive the key from 32 bytes of seed. Raises ConfigurationError for a bad name."""
        self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        public_key = self._private.public_key().public_bytes_raw()
        super().__init__(
            name=name, seed=seed, algorithm=Algorithm.COSIGNATURE_MLDSA44, public_key=public_key
        )

    def sign(self, text: str) -> NoteSignature:
        """Signature line of the log itself.

        Its time is 0, which states nothing about when (C2SP tlog-cosignature, "ML-DSA-44 signed
        message"): when a tree was the newest is for the witnesses to say.
        """
        return self.cosign(text, timestamp=0)

    def cosign(self, text: str, *, timestamp: int) -> NoteSignature:
        """Cosignature line over origin, size and root of ``text`` (type 0x06).

        Raises ParseError if it is not the text of a checkpoint.
        """
        origin, size, root, *_ = (*text.split("\n"), "", "")
        message = mldsa44_message(
            cosigner=self._key.name,
            timestamp=timestamp,
            origin=origin,
            start=0,
            end=parse_decimal(size, what="size of the checkpoint"),
            root=parse_base64(root, what="root of the checkpoint", size=HASH_SIZE),
        )
        return self._line(timestamp.to_bytes(8, "big") + self._private.sign(message))


PrivateKey = Ed25519Signer | Ed25519Cosigner | Mldsa44Signer
"""A line of a key file."""

_KINDS: dict[int, type[PrivateKey]] = {
    Algorithm.ED25519: Ed25519Signer,
    Algorithm.COSIGNATURE_ED25519: Ed25519Cosigner,
    Algorithm.COSIGNATURE_MLDSA44: Mldsa44Signer,
}


def generate_key(path: Path, *, name: str) -> Ed25519Signer:
    """Make the Ed25519 key of a log and its file, readable by its owner only.

    Raises ConfigurationError for a bad name, StorageError if the file exists.
    """
    signer = Ed25519Signer(name=name, seed=secrets.token_bytes(SEED_SIZE))
    _write_keys(path, (signer,))
    return signer


def generate_signers(path: Path, *, name: str, ml_dsa: bool) -> tuple[Signer, ...]:
    """As ``generate_key``; with ``ml_dsa`` also an ML-DSA-44 key in the same file."""
    if not ml_dsa:
        return (generate_key(path, name=name),)
    signers = (
        Ed25519Signer(name=name, seed=secrets.token_bytes(SEED_SIZE)),
        Mldsa44Signer(name=name, seed=secrets.token_bytes(SEED_SIZE)),
    )
    _write_keys(path, signers)
    return signers


def generate_cosigners(path: Path, *, name: str, ml_dsa: bool) -> tuple[Cosigner, ...]:
    """Make the keys of a witness and their file: Ed25519, and with ``ml_dsa`` also ML-DSA-44.

    Raises ConfigurationError for a bad name, StorageError if the file exists.
    """
    ed25519 = Ed25519Cosigner(name=name, seed=secrets.token_bytes(SEED_SIZE))
    if not ml_dsa:
        _write_keys(path, (ed25519,))
        return (ed25519,)
    both = (ed25519, Mldsa44Signer(name=name, seed=secrets.token_bytes(SEED_SIZE)))
    _write_keys(path, both)
    return both


def _write_keys(path: Path, keys: tuple[PrivateKey, ...]) -> None:
    with storage_errors(path.name):
        text = "".join(f"{key.encode()}\n" for key in keys)
        write_new(path, text.encode(), mode=0o600)
        sync_folder(path.parent)


def read_key(path: Path) -> Ed25519Signer:
    """Read the Ed25519 key of a log, the first line of its key file.

    Raises ConfigurationError, also if others may read the file.
    """
    return _ed25519(path, _read_keys(path)[0])


def read_signers(path: Path) -> tuple[Signer, ...]:
    """Read all keys of a log. Raises ConfigurationError, also if others may read the file."""
    first, *others = _read_keys(path)
    return (_ed25519(path, first), *(_mldsa44(path, key) for key in others))


def read_cosigners(path: Path) -> tuple[Cosigner, ...]:
    """Read all keys of a witness. Raises ConfigurationError, also if others may read the file."""
    first, *others = _read_keys(path)
    if not isinstance(first, Ed25519Cosigner):
        raise _wrong_kind(path, f"a first key of type {Algorithm.COSIGNATURE_ED25519:#04x}", first)
    return (first, *(_mldsa44(path, key) for key in others))


def _ed25519(path: Path, key: PrivateKey) -> Ed25519Signer:
    if not isinstance(key, Ed25519Signer):
        raise _wrong_kind(path, f"a first key of type {Algorithm.ED25519:#04x}", key)
    return key


def _mldsa44(path: Path, key: PrivateKey) -> Mldsa44Signer:
    if not isinstance(key, Mldsa44Signer):
        raise _wrong_kind(path, f"a second key of type {Algorithm.COSIGNATURE_MLDSA44:#04x}", key)
    return key


def _wrong_kind(path: Path, expected: str, key: PrivateKey) -> ConfigurationError:
    got = f"type {key.key.algorithm:#04x}"
    return ConfigurationError(path.name, expected=expected, got=got)


def _read_keys(path: Path) -> tuple[PrivateKey, ...]:
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
        lines = parse_utf8(raw, what="key file").removesuffix("\n").split("\n")
        keys = tuple(map(parse_private_key, lines))
    except ParseError as error:
        raise ConfigurationError(error.what, expected=error.expected, got=error.got) from None
    if len(keys) > 2 or len({key.key.name for key in keys}) != 1:
        got = f"{len(keys)} keys of {len({key.key.name for key in keys})} names"
        raise ConfigurationError(path.name, expected="one or two keys of one name", got=got)
    return keys


def parse_private_key(text: str) -> PrivateKey:
    """Read ``PRIVATE+KEY+<name>+<key ID>+<base64>``. Raises ParseError and ConfigurationError.

    No part of the text is quoted in an error: it is secret.
    """
    parts = text.removeprefix(_PREFIX).split("+", 2)
    if not text.startswith(_PREFIX) or len(parts) != 3:
        expected = f"{_PREFIX}<name>+<key ID>+<base64>"
        raise ParseError("private key", expected=expected, got="another form")
    name, identifier, encoded = parts
    kind, seed = _parse_seed(encoded)
    signer = kind(name=name, seed=seed)
    stated = parse_hex(identifier, what="key ID of the private key", size=4)
    if signer.key.key_id != stated:
        expected = signer.key.key_id.hex()
        raise ParseError("key ID of the private key", expected=expected, got=stated.hex())
    return signer


def _parse_seed(encoded: str) -> tuple[type[PrivateKey], bytes]:
    what = "seed of the private key"
    try:
        material = parse_base64(encoded, what=what, size=1 + SEED_SIZE)
    except ParseError as error:
        raise ParseError(what, expected=error.expected, got="something else") from None
    if material[0] not in _KINDS:
        expected = " or ".join(f"type {kind:#04x}" for kind in _KINDS)
        raise ParseError("type of the private key", expected=expected, got=f"{material[0]:#04x}")
    return _KINDS[material[0]], material[1:]


def sign_checkpoint(checkpoint: Checkpoint, signers: tuple[Signer, ...]) -> bytes:
    """The signed note over ``checkpoint``, by every signer.

    The result is opened again before it is given out: a signature that a fault made wrong is
    never stored, and says nothing about the key to those who collect such signatures.
    """
    text = encode_checkpoint(checkpoint)
    raw = encode_note(text, tuple(signer.sign(text) for signer in signers))
    open_checkpoint(raw, keys=tuple(signer.key for signer in signers))
    return raw
