"""The publisher's private key: made, read and used here, and nowhere else in the judge.

Its text is that of Go's note keys, ``PRIVATE+KEY+<name>+<hash>+<base64(0x01 || seed)>``
(golang.org/x/mod/sumdb/note), so that other tools of the field can use it. Go has none for ECDSA;
here such a key has ``0x02 || the private number, 32 bytes, big-endian`` in the same place.
"""

from __future__ import annotations

import base64
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.cli.files import read_file
from verifier.errors import ParseError, PolicyError
from verifier.release.dsse import (
    MAX_ENVELOPE,
    EnvelopeSignature,
    encode_envelope,
    pre_authentication_encoding,
)
from verifier.release.entry import Entry, parse_entry
from verifier.release.p256 import ORDER
from verifier.release.publisher import PublisherKey
from verifier.release.statement import PAYLOAD_TYPE, canonical_statement
from verifier.tlog.note import Algorithm, parse_public_key
from verifier.tlog.strict import first_repeated, parse_base64, parse_utf8

__all__ = [
    "Publisher",
    "generate_key",
    "read_key",
    "sign_entry",
    "sign_statement",
    "sign_summary",
]

_Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

_PREFIX = "PRIVATE+KEY+"
_SECRET = 32  # bytes, for either kind
_ENVELOPE = b'{"payload":"'  # no statement begins so


@dataclass(frozen=True, slots=True, repr=False)
class Publisher:
    """A private key with its public half. Its repr shows nothing."""

    key: PublisherKey
    private: _Private

    def sign(self, message: bytes) -> bytes:
        """The signature that ``verify_publisher_signature`` takes; always the same."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self.private.sign(message, algorithm))
        return encode_dss_signature(r, min(s, ORDER - s))


def _public(name: str, private: _Private) -> PublisherKey:
    if isinstance(private, Ed25519PrivateKey):
        algorithm, raw = Algorithm.ED25519, private.public_key().public_bytes_raw()
    else:
        algorithm = Algorithm.ECDSA
        raw = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublisherKey(parse_public_key(name=name, algorithm=algorithm, public_key=raw))


def generate_key(name: str, *, ecdsa: bool) -> tuple[bytes, str]:
    """A new key, Ed25519 or ECDSA P-256: the private text for the file, the public vkey.

    Raises ParseError for a bad name.
    """
    private: _Private
    if ecdsa:
        private = ec.generate_private_key(ec.SECP256R1())
        secret = private.private_numbers().private_value.to_bytes(_SECRET)
    else:
        private = Ed25519PrivateKey.generate()
        secret = private.private_bytes_raw()
    key = _public(name, private)
    encoded = base64.b64encode(bytes([key.vkey.algorithm]) + secret).decode("ascii")
    return f"{_PREFIX}{key.keyid}+{encoded}\n".encode(), str(key.vkey)


def read_key(path: Path) -> Publisher:
    """Read a private key file, which only its owner may read.

    Raises PolicyError (exit 2) for wide permissions and for a malformed file. The content never
    enters an error message.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise PolicyError(str(path), expected="mode 0600", got=f"{mode:04o}", hint="chmod 600 it")
    expected = f"{_PREFIX}<name>+<hash>+<base64>"
    try:
        text = parse_utf8(read_file(path, limit=4096), what=str(path))
        name, keyhash, seed = text.removesuffix("\n").removeprefix(_PREFIX).split("+", 2)
        private = _private(parse_base64(seed, what=str(path), size=1 + _SECRET))
        key = _public(name, private)
    except (ParseError, ValueError):
        raise PolicyError(str(path), expected=expected, got="another text") from None
    if not text.startswith(_PREFIX) or key.vkey.key_id.hex() != keyhash:
        raise PolicyError(str(path), expected=expected, got="another kind, or a wrong hash")
    return Publisher(key, private)


def _private(secret: bytes) -> _Private:
    """Raises ValueError for another kind of key, or a number that is none of the curve."""
    if secret[0] == Algorithm.ED25519:
        return Ed25519PrivateKey.from_private_bytes(secret[1:])
    if secret[0] == Algorithm.ECDSA:
        return ec.derive_private_key(int.from_bytes(secret[1:]), ec.SECP256R1())
    raise ValueError(secret[0])


def sign_statement(statement: bytes, publisher: Publisher) -> bytes:
    """Canonicalise, sign and wrap a statement: the entry to be logged.

    Raises ParseError unless the result is an entry of a known kind, so that nothing is signed
    for the log that the judge could not read.
    """
    return sign_entry(statement, (publisher,))


def sign_entry(document: bytes, publishers: tuple[Publisher, ...]) -> bytes:
    """The entry to be logged, of a statement, or of an entry that others have signed already.

    Each of ``publishers`` adds a signature; those that are there stay, unverified. They are in
    ascending order of keyid, as a log with a policy wants them. Raises ParseError unless the
    result is an entry of a known kind with one signature for each key.
    """
    if document.startswith(_ENVELOPE):
        envelope = parse_entry(document).envelope
        payload, signatures = envelope.payload, envelope.signatures
    else:
        payload, signatures = canonical_statement(document), ()
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    for publisher in publishers:
        signature = EnvelopeSignature(publisher.key.keyid, publisher.sign(signed))
        signatures = (*signatures, signature)
    ordered = tuple(sorted(signatures, key=lambda signature: signature.keyid))
    entry = encode_envelope(PAYLOAD_TYPE, payload, ordered)
    if len(entry) > MAX_ENVELOPE:
        got = f"{len(entry)} bytes"
        raise ParseError("entry", expected=f"at most {MAX_ENVELOPE} bytes", got=got)
    _require_one_signature_each(parse_entry(entry))
    return entry


def sign_summary(statement: str, publisher: Publisher) -> str:
    """A verification summary (in-toto statement) in a DSSE envelope. It is no entry of a log."""
    payload = statement.encode("utf-8")
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    signature = EnvelopeSignature(publisher.key.keyid, publisher.sign(signed))
    return encode_envelope(PAYLOAD_TYPE, payload, (signature,)).decode("utf-8")


def _require_one_signature_each(entry: Entry) -> None:
    twice = first_repeated(signature.keyid for signature in entry.envelope.signatures)
    if twice is not None:
        raise ParseError("signatures", expected="one for each key", got=f"{twice} twice")
