"""Signed notes and verification keys (C2SP signed-note v1.0.0).

A note is text, a blank line, and signature lines::

    — <key name> <base64 of key ID and signature>

Nobody knows all keys of a note, so signatures by unknown keys are ignored, whatever they hold. A
key is known by name AND key ID. A signature of a known key that does not verify rejects the note.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog import ed25519
from verifier.tlog.strict import excerpt, parse_base64, parse_hex, parse_utf8

__all__ = [
    "KEY_ID_SIZE",
    "MAX_NOTE_SIZE",
    "MAX_SIGNATURES",
    "MAX_VKEY_SIZE",
    "Algorithm",
    "NoteSignature",
    "OpenedNote",
    "SignedNote",
    "VerificationKey",
    "encode_note",
    "key_id",
    "open_note",
    "parse_note",
    "parse_public_key",
    "parse_vkey",
    "verify_text_signature",
]

KEY_ID_SIZE = 4
"""Bytes of a key ID."""

MAX_NOTE_SIZE = 2**19
"""Largest note, in bytes: room for ``MAX_SIGNATURES`` of ML-DSA-44."""

MAX_SIGNATURES = 100
"""Most signature lines of a note. The specification demands that at least 16 are accepted."""

MAX_VKEY_SIZE = 4096
"""Longest verification key in text form, in characters."""

_MAX_MLDSA44_NAME = 255  # C2SP tlog-cosignature: opaque cosigner_name<1..2^8-1>

_DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
# Half a surrogate pair is how Python holds a command-line argument that is not UTF-8.
_NAME = re.compile(r"[^+\s\x00-\x1f\ud800-\udfff]+")


class Algorithm(IntEnum):
    """Signature types (C2SP signed-note, "Signature types"), by their identifier byte."""

    ED25519 = 0x01
    ECDSA = 0x02
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_MLDSA44 = 0x06


_PUBLIC_KEY_SIZES = {
    Algorithm.ED25519: ed25519.PUBLIC_KEY_SIZE,
    Algorithm.COSIGNATURE_ED25519: ed25519.PUBLIC_KEY_SIZE,
    Algorithm.COSIGNATURE_MLDSA44: 1312,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A named public key. Made by ``parse_vkey`` and ``parse_public_key``.

    ``public_key`` has 32 bytes for Ed25519, 1312 for ML-DSA-44, and is a DER
    SubjectPublicKeyInfo for ECDSA. ``str(key)`` is the vkey.
    """

    name: str
    key_id: bytes
    algorithm: Algorithm
    public_key: bytes

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.algorithm]) + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def is_named_by(self, signature: NoteSignature) -> bool:
        """Whether the signature line names this key; says nothing about its validity."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: key name, key ID (4 bytes), and the signature bytes after the ID."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A well-formed note, believed by no one. ``text`` includes its final newline."""

    text: str
    signatures: tuple[NoteSignature, ...]
    raw: bytes

    def signatures_of(self, key: VerificationKey) -> tuple[NoteSignature, ...]:
        """The signature lines that name this key, in order."""
        return tuple(signature for signature in self.signatures if key.is_named_by(signature))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNote:
    """A note whose text ``key`` signed. Made by ``open_note``."""

    note: SignedNote
    key: VerificationKey


def key_id(name: str, algorithm: Algorithm, public_key: bytes) -> bytes:
    """The 4 bytes that hint at a key in a signature line (C2SP signed-note, "Signatures")."""
    if algorithm is Algorithm.ECDSA:
        return hashlib.sha256(public_key).digest()[:KEY_ID_SIZE]
    hashed = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return hashlib.sha256(hashed).digest()[:KEY_ID_SIZE]


def parse_public_key(*, name: str, algorithm: Algorithm, public_key: bytes) -> VerificationKey:
    """Give a public key its name. Raises ParseError for a bad name, size or low-order point."""
    _check_name(name, what="key name")
    size = _PUBLIC_KEY_SIZES.get(algorithm, len(public_key))
    if len(public_key) != size or not public_key:
        expected = f"{size or 'more than 0'} bytes"
        got = f"{len(public_key)} bytes"
        raise ParseError(f"{algorithm.name} public key", expected=expected, got=got)
    if size == ed25519.PUBLIC_KEY_SIZE and ed25519.has_low_order(public_key):
        expected = "a point of large order"
        raise ParseError("Ed25519 public key", expected=expected, got=public_key.hex())
    if algorithm is Algorithm.COSIGNATURE_MLDSA44 and len(name.encode()) > _MAX_MLDSA44_NAME:
        expected = f"at most {_MAX_MLDSA44_NAME} bytes"
        raise ParseError("name of an ML-DSA-44 key", expected=expected, got=excerpt(name))
    identifier = key_id(name, algorithm, public_key)
    return VerificationKey(name=name, key_id=identifier, algorithm=algorithm, public_key=public_key)


def parse_vkey(text: str) -> VerificationKey:
    """Read ``<name>+<8 hex digits of key ID>+<base64 of type and public key>``.

    Raises ParseError, also if the key ID is not that of the name and key; UnsupportedError for
    a signature type that is not in ``Algorithm``.
    """
    if len(text) > MAX_VKEY_SIZE:
        raise ParseError("vkey", expected=f"at most {MAX_VKEY_SIZE} characters", got=excerpt(text))
    parts = text.split("+", 2)  # base64 may contain "+"
    if len(parts) != 3:
        raise ParseError("vkey", expected="<name>+<key ID>+<base64>", got=excerpt(text))
    name, identifier, encoded = parts
    stated = parse_hex(identifier, what="key ID of the vkey", size=KEY_ID_SIZE)
    material = parse_base64(encoded, what="key of the vkey")
    if not material or material[0] not in tuple(Algorithm):
        known = " ".join(f"{algorithm:#04x}" for algorithm in Algorithm)
        got = f"0x{material[:1].hex()}" if material else "nothing"
        raise UnsupportedError("signature type of the vkey", expected=known, got=got)
    key = parse_public_key(name=name, algorithm=Algorithm(material[0]), public_key=material[1:])
    if key.key_id != stated:
        raise ParseError("key ID of the vkey", expected=key.key_id.hex(), got=stated.hex())
    return key


def parse_note(raw: bytes) -> SignedNote:
    """Read a signed note; its signatures are not verified. Raises ParseError."""
    if len(raw) > MAX_NOTE_SIZE:
        got = f"{len(raw)} bytes"
        raise ParseError("note", expected=f"at most {MAX_NOTE_SIZE} bytes", got=got)
    whole = parse_utf8(raw, what="note")
    _check_characters(whole)
    body, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        expected = "text, a blank line, and signature lines, each ended by a newline"
        raise ParseError("note", expected=expected, got=excerpt(whole[-60:]))
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        expected = f"at most {MAX_SIGNATURES} signatures"
        raise ParseError("note", expected=expected, got=f"{len(lines)} signatures")
    signatures = tuple(_parse_signature(line) for line in lines)
    return SignedNote(text=body + "\n", signatures=signatures, raw=raw)


def _parse_signature(line: str) -> NoteSignature:
    what = "signature line of the note"
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise ParseError(what, expected="— <key name> <base64>", got=excerpt(line))
    name, encoded = parts
    _check_name(name, what=what)
    blob = parse_base64(encoded, what=what)
    if len(blob) <= KEY_ID_SIZE:
        expected = f"a key ID of {KEY_ID_SIZE} bytes and a signature"
        raise ParseError(what, expected=expected, got=f"{len(blob)} bytes")
    return NoteSignature(name=name, key_id=blob[:KEY_ID_SIZE], signature=blob[KEY_ID_SIZE:])


def encode_note(text: str, signatures: Sequence[NoteSignature]) -> bytes:
    """Write a note, so that ``parse_note`` gives back the same text and signatures.

    ValueError if no note can hold them.
    """
    lines = [
        f"{_DASH}{one.name} {base64.b64encode(one.key_id + one.signature).decode('ascii')}\n"
        for one in signatures
    ]
    raw = f"{text}\n{''.join(lines)}".encode()
    try:
        note = parse_note(raw)
    except ParseError as error:
        message = f"not a note: {error}"
        raise ValueError(message) from error
    if (note.text, note.signatures) != (text, tuple(signatures)):
        message = "the text of a note ends in a newline"
        raise ValueError(message)
    return raw


def open_note(note: SignedNote, *, key: VerificationKey) -> OpenedNote:
    """Verify the plain Ed25519 signature (type 0x01) of ``key`` over the text.

    Raises VerificationError if ``key`` did not sign or any signature of it is bad;
    UnsupportedError if ``key`` has another type: what cosignatures sign is not the text alone
    (``verifier.tlog.cosignature``), and ECDSA (0x02) is not judged.
    """
    if key.algorithm is not Algorithm.ED25519:
        expected = f"type {Algorithm.ED25519:#04x}"
        raise UnsupportedError(f"key {key.name}", expected=expected, got=f"{key.algorithm:#04x}")
    signatures = note.signatures_of(key)
    if not signatures:
        expected = f"a signature of {key.name} with key ID {key.key_id.hex()}"
        raise VerificationError("note", expected=expected, got="none")
    for signature in signatures:
        verify_text_signature(note.text, signature, key=key)
    return OpenedNote(note=note, key=key)


def verify_text_signature(text: str, signature: NoteSignature, *, key: VerificationKey) -> None:
    """Verify one signature line of type 0x01 over ``text``. Raises VerificationError."""
    ed25519.verify_ed25519(
        public_key=key.public_key,
        signature=signature.signature,
        message=text.encode(),
        what=f"signature of {key.name}",
    )


def _check_characters(text: str) -> None:
    control = _CONTROL.search(text)
    if control is not None:
        expected = "no control character but newline"
        raise ParseError("note", expected=expected, got=repr(control[0]))


def _check_name(name: str, *, what: str) -> None:
    if _NAME.fullmatch(name) is None:
        expected = "a key name without space, plus or control character"
        raise ParseError(what, expected=expected, got=excerpt(name))
