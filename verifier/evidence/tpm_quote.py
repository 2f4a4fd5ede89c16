"""A TPM quote: TPMS_ATTEST of type QUOTE, and its signature.

All integers are big-endian. Source: TCG TPM 2.0 Library, part 2, sections 10.12.8 (TPMS_ATTEST),
10.12.1 (TPMS_QUOTE_INFO), 10.6 (PCR selections), 10.11.1 (TPMS_CLOCK_INFO).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from verifier.errors import ParseError, UnsupportedError, VerificationError

__all__ = [
    "MAX_SIZE",
    "PCR_COUNT",
    "PCR_SIZE",
    "SignedTpmQuote",
    "TpmQuote",
    "parse_pcrs",
    "parse_tpm_quote",
    "verify_tpm_quote",
]

MAX_SIZE = 1024
"""Most bytes of a quote. Genuine ones have 122 to 161."""

PCR_COUNT = 24
"""Platform configuration registers of a bank."""

PCR_SIZE = 32
"""Bytes of a register of the SHA-256 bank."""

_WHAT = "TPM quote"
_MAGIC = 0xFF544347  # TPM_GENERATED_VALUE
_QUOTE = 0x8018  # TPM_ST_ATTEST_QUOTE
_SHA_256 = 0x000B  # TPM_ALG_SHA256
_HEAD = struct.Struct("> I H")
_SIZE = struct.Struct("> H")
_CLOCK = struct.Struct("> Q I I B Q")  # clock, resets, restarts, safe, firmware version
_COUNT = struct.Struct("> I")
_SELECTION = struct.Struct("> H B")
_MAX_NAME = 66  # TPM2B_NAME and TPM2B_DATA: an algorithm and its longest digest
_EXPONENT = 65537


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmQuote:
    """A well-formed quote that nobody signed yet.

    ``extra`` (at most 66 bytes) is the qualifying data of the caller, so the nonce; ``pcrs`` are
    the selected registers of the SHA-256 bank, ascending; ``pcr_digest`` the SHA-256 of their
    values. ``clock`` is in milliseconds; ``resets`` and ``restarts`` count since the TPM was made
    and reset; ``safe`` says that the clock never ran ahead.
    """

    raw: bytes
    qualified_signer: bytes
    extra: bytes
    clock: int
    resets: int
    restarts: int
    safe: bool
    firmware_version: int
    pcrs: tuple[int, ...]
    pcr_digest: bytes

    def digest_of(self, values: tuple[bytes, ...]) -> bytes:
        """What ``pcr_digest`` has to be for these values of all PCR_COUNT registers."""
        return sha256(b"".join(values[index] for index in self.pcrs)).digest()


@dataclass(frozen=True, slots=True)
class SignedTpmQuote:
    """A quote that the given key signed. Made by verify_tpm_quote."""

    quote: TpmQuote


class _Reader:
    """Takes fields from the front; ParseError where there are too few bytes."""

    def __init__(self, raw: bytes) -> None:
        self._left = raw

    def take(self, size: int) -> bytes:
        if len(self._left) < size:
            raise ParseError(_WHAT, expected=f"{size} more bytes", got=f"{len(self._left)}")
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def sized(self, name: str, *, maximum: int) -> bytes:
        (size,) = _SIZE.unpack(self.take(_SIZE.size))
        if size > maximum:
            raise ParseError(f"{_WHAT}, {name}", expected=f"at most {maximum} bytes", got=str(size))
        return self.take(size)

    def end(self) -> None:
        if self._left:
            raise ParseError(_WHAT, expected="its end", got=f"{len(self._left)} more bytes")


def parse_tpm_quote(raw: bytes) -> TpmQuote:
    """Read a TPMS_ATTEST that is a quote over registers of the SHA-256 bank.

    Raises ParseError, and UnsupportedError for another type of attestation or another bank.
    """
    if len(raw) > MAX_SIZE:
        raise ParseError(_WHAT, expected=f"at most {MAX_SIZE} bytes", got=f"{len(raw)} bytes")
    reader = _Reader(raw)
    magic, kind = _HEAD.unpack(reader.take(_HEAD.size))
    if magic != _MAGIC:
        raise ParseError(f"{_WHAT}, magic", expected=f"{_MAGIC:#x}", got=f"{magic:#x}")
    if kind != _QUOTE:
        raise UnsupportedError(f"{_WHAT}, type", expected=f"{_QUOTE:#x}", got=f"{kind:#x}")
    signer = reader.sized("qualifiedSigner", maximum=_MAX_NAME)
    extra = reader.sized("extraData", maximum=_MAX_NAME)
    clock, resets, restarts, safe, firmware = _CLOCK.unpack(reader.take(_CLOCK.size))
    if safe > 1:
        raise ParseError(f"{_WHAT}, safe", expected="0 or 1", got=str(safe))
    pcrs = _selection(reader)
    digest = reader.sized("pcrDigest", maximum=PCR_SIZE)
    if len(digest) != PCR_SIZE:
        expected = f"{PCR_SIZE} bytes"
        raise ParseError(f"{_WHAT}, pcrDigest", expected=expected, got=f"{len(digest)} bytes")
    reader.end()
    return TpmQuote(
        raw=raw,
        qualified_signer=signer,
        extra=extra,
        clock=clock,
        resets=resets,
        restarts=restarts,
        safe=safe == 1,
        firmware_version=firmware,
        pcrs=pcrs,
        pcr_digest=digest,
    )


def _selection(reader: _Reader) -> tuple[int, ...]:
    (count,) = _COUNT.unpack(reader.take(_COUNT.size))
    if count != 1:
        raise ParseError(f"{_WHAT}, pcrSelect", expected="one bank", got=str(count))
    bank, size = _SELECTION.unpack(reader.take(_SELECTION.size))
    if bank != _SHA_256:
        expected = f"SHA-256 ({_SHA_256:#x})"
        raise UnsupportedError(f"{_WHAT}, bank", expected=expected, got=f"{bank:#x}")
    if size != PCR_COUNT // 8:
        expected = f"{PCR_COUNT // 8} bytes"
        raise ParseError(f"{_WHAT}, pcrSelect", expected=expected, got=f"{size} bytes")
    bits = int.from_bytes(reader.take(size), "little")
    if not bits:
        raise ParseError(f"{_WHAT}, pcrSelect", expected="a register", got="none")
    return tuple(index for index in range(PCR_COUNT) if bits >> index & 1)


def parse_pcrs(raw: bytes) -> tuple[bytes, ...]:
    """The 24 values of the SHA-256 bank, written one after the other. Raises ParseError."""
    if len(raw) != PCR_COUNT * PCR_SIZE:
        expected = f"{PCR_COUNT} values of {PCR_SIZE} bytes"
        raise ParseError("PCR values", expected=expected, got=f"{len(raw)} bytes")
    return tuple(raw[start : start + PCR_SIZE] for start in range(0, len(raw), PCR_SIZE))


def verify_tpm_quote(quote: TpmQuote, *, signature: bytes, modulus: int) -> SignedTpmQuote:
    """Verify an RSASSA-PKCS1-v1_5 signature with SHA-256 over the received bytes of a quote.

    ``modulus`` is that of the attestation key, whose exponent is 65537. Raises VerificationError.
    """
    key = RSAPublicNumbers(_EXPONENT, modulus).public_key()
    try:
        key.verify(signature, quote.raw, PKCS1v15(), SHA256())
    except InvalidSignature:
        expected = "a signature by the attestation key of the runtime data"
        raise VerificationError(_WHAT, expected=expected, got="not one") from None
    return SignedTpmQuote(quote)
