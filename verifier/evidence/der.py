"""X.509 certificates of AMD's SEV-SNP profile, read from strict DER.

``cryptography``'s own certificate loader is not used, because every VCEK has serial number 0,
which that loader deprecates (RFC 5280 section 4.1.2.2 asks for a positive one). The shapes below
are read by the same library's ASN.1 decoder, which takes exactly DER: definite minimal lengths,
minimal integers, nothing left over. Source: RFC 5280 section 4.1; AMD publication 57230.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from verifier.errors import ParseError

__all__ = [
    "MAX_CERTIFICATE_SIZE",
    "Extension",
    "SignedCertificate",
    "Time",
    "common_name",
    "decode",
    "element",
    "first_element",
    "instant",
    "parse_certificate",
    "replace_common_name",
    "require_der",
    "sequence",
    "signature_bytes",
]

MAX_CERTIFICATE_SIZE = 8192
"""Bytes of the largest certificate that is looked at; AMD's are below 1,800."""

_SEQUENCE = b"\x30"
_PEM = b"-----BEGIN "
_KIND = re.compile(r"kind: (\w+)")
_SIGNATURE_SIZE = 512  # RSA-4096
_GENERALIZED_FROM = 2050  # RFC 5280 section 4.1.2.5: UTCTime before, GeneralizedTime from then on
_MAX_SERIAL = 2**160

# Content of the AlgorithmIdentifier for RSASSA-PSS with SHA-384, MGF1 with SHA-384 and salt 48
# (RFC 4055 section 3.1). Older AMD certificates also write the default trailer field out; these
# two are all that AMD issues.
_PSS_SHA384 = (
    bytes.fromhex(
        "06092a864886f70d01010a3034a00f300d06096086480165030402020500"
        "a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130"
    ),
    bytes.fromhex(
        "06092a864886f70d01010a3039a00f300d06096086480165030402020500"
        "a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130a303020101"
    ),
)

_COMMON_NAME = b"\x06\x03\x55\x04\x03"  # id-at-commonName

Time = asn1.UTCTime | asn1.GeneralizedTime
"""Time of RFC 5280 section 4.1.2.5; ``instant`` reads it."""

_T = TypeVar("_T")


@asn1.sequence
class Extension:
    """One extension of a certificate; ``value`` is the content of its OCTET STRING."""

    oid: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(value=False)]
    value: bytes


@asn1.sequence
class _Validity:
    not_before: Time
    not_after: Time


# Version 3, no unique identifiers, extensions present: anything else does not fit this shape.
@asn1.sequence
class _ToBeSigned:
    version: Annotated[int, asn1.Explicit(0)]
    serial: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    validity: _Validity
    subject: asn1.TLV
    key: asn1.TLV
    extensions: Annotated[list[Extension], asn1.Explicit(3)]


@asn1.sequence
class _Certificate:
    inner: _ToBeSigned
    algorithm: asn1.TLV
    signature: asn1.BitString


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate:
    """A well-formed X.509 v3 certificate with AMD's signature algorithm; nobody verified it.

    ``tbs`` are the received bytes that the 512-byte ``signature`` covers. ``issuer`` and
    ``subject`` are the DER of the Names, ``key`` that of the SubjectPublicKeyInfo. The bounds of
    validity are aware, UTC and inclusive.
    """

    raw: bytes
    tbs: bytes
    signature: bytes
    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    key: bytes
    extensions: tuple[Extension, ...]


def decode(shape: type[_T], der: bytes, *, what: str) -> _T:
    """Read exactly one DER value as ``shape`` (see ``cryptography.hazmat.asn1``).

    Raises ParseError.
    """
    try:
        return asn1.decode_der(shape, der)
    except ValueError as error:
        # The decoder's text names a kind, such as UnexpectedTag, among words that help nobody.
        kind = _KIND.search(str(error))
        got = f"something else ({kind[1]})" if kind else "something else"
        raise ParseError(what, expected="DER of this shape", got=got) from None


def require_der(der: bytes, *, limit: int, command: str, what: str) -> None:
    """Refuse PEM, with the ``command`` that converts it, and more than ``limit`` bytes.

    Raises ParseError.
    """
    if der.startswith(_PEM):
        hint = f"{command} -in FILE -outform der converts it"
        raise ParseError(what, expected="DER", got="PEM", hint=hint)
    if len(der) > limit:
        raise ParseError(what, expected=f"at most {limit} bytes", got=f"{len(der)} bytes")


def parse_certificate(der: bytes, *, what: str) -> SignedCertificate:
    """Read an X.509 v3 certificate that is signed with RSASSA-PSS, SHA-384 and an RSA-4096 key.

    Raises ParseError. The signature is not verified.
    """
    require_der(der, limit=MAX_CERTIFICATE_SIZE, command="openssl x509", what=what)
    outer = decode(_Certificate, der, what=what)
    inner = outer.inner
    _check_version(inner, what)
    return SignedCertificate(
        raw=der,
        tbs=first_element(der),
        signature=signature_bytes(inner.algorithm, outer.algorithm, outer.signature, what=what),
        serial=inner.serial,
        issuer=element(inner.issuer, what=f"{what}, issuer"),
        subject=element(inner.subject, what=f"{what}, subject"),
        not_before=instant(inner.validity.not_before, what=f"{what}, notBefore"),
        not_after=instant(inner.validity.not_after, what=f"{what}, notAfter"),
        key=element(inner.key, what=f"{what}, public key"),
        extensions=tuple(inner.extensions),
    )


def common_name(name: bytes, *, what: str) -> str:
    """The common name that ends the DER of a Name, as in all of AMD's certificates.

    Raises ParseError. What comes before it is for the caller to compare, as exact bytes.
    """
    start = name.rfind(_COMMON_NAME)
    text = name[start + 7 :]
    size = len(text)
    header = name[start + 5 : start + 7]  # tag and length
    # The text is a UTF8String or a PrintableString, and short.
    if start < 0 or size > 127 or header not in (bytes((0x0C, size)), bytes((0x13, size))):
        raise ParseError(what, expected="a Name that ends with a common name", got=name.hex()[-40:])
    try:
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise ParseError(what, expected="an ASCII common name", got=text.hex()) from None


def replace_common_name(name: bytes, replacement: str, *, what: str) -> bytes:
    """The same Name with another common name, which is ASCII and short. Raises ParseError."""
    old = common_name(name, what=what).encode("ascii")
    relative = name[-len(old) - 11 :]  # SET, SEQUENCE, id-at-commonName and the text: 11 + length
    size = len(old)
    if relative[:4] != bytes((0x31, size + 9, 0x30, size + 7)):
        raise ParseError(what, expected="a common name of its own", got=relative.hex()[:40])
    header = _header_size(name, 0)
    text = replacement.encode("ascii")
    size = len(text)
    new = bytes((0x31, size + 9, 0x30, size + 7)) + _COMMON_NAME + bytes((0x0C, size)) + text
    return sequence(name[header : -len(relative)] + new)


def sequence(content: bytes) -> bytes:
    """The DER of a SEQUENCE with this content: the header, whose length has one form, and it."""
    size = len(content)
    if size < 0x80:
        return _SEQUENCE + bytes((size,)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return _SEQUENCE + bytes((0x80 | len(digits),)) + digits + content


def _check_version(inner: _ToBeSigned, what: str) -> None:
    if inner.version != 2:
        raise ParseError(f"{what}, version", expected="2 (v3)", got=str(inner.version))
    if not 0 <= inner.serial < _MAX_SERIAL:
        expected = "0 or more, of at most 20 bytes"
        raise ParseError(f"{what}, serial number", expected=expected, got=f"{inner.serial:#x}")


def signature_bytes(
    inside: asn1.TLV, outside: asn1.TLV, signature: asn1.BitString, *, what: str
) -> bytes:
    """The 512 bytes of a signature whose algorithm, named twice, is the one that AMD uses.

    Raises ParseError. Source: RFC 5280 sections 4.1.1.2 and 5.1.1.2.
    """
    what = f"{what}, signature algorithm"
    expected = "RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48"
    if inside.tag_bytes != _SEQUENCE or inside.data not in _PSS_SHA384:
        raise ParseError(what, expected=expected, got=bytes(inside.data).hex()[:60])
    if outside.tag_bytes != _SEQUENCE or outside.data != inside.data:
        raise ParseError(what, expected="the same inside and outside", got="two different ones")
    size, unused = len(signature.as_bytes()), signature.padding_bits()
    if size != _SIGNATURE_SIZE or unused:
        got = f"{size} bytes, {unused} bits unused"
        raise ParseError(what, expected=f"{_SIGNATURE_SIZE} bytes", got=got)
    return signature.as_bytes()


def element(tlv: asn1.TLV, *, what: str) -> bytes:
    """A SEQUENCE that was read as it stands, header included. Raises ParseError for another tag."""
    # The decoder gives content without header. DER lengths are unique, and the decoder accepts
    # no other, so the header written here is the one that was received.
    if tlv.tag_bytes != _SEQUENCE:
        raise ParseError(what, expected="a SEQUENCE", got=f"tag 0x{tlv.tag_bytes.hex()}")
    return sequence(bytes(tlv.data))


def first_element(der: bytes) -> bytes:
    """The first element in a SEQUENCE that the decoder accepted, header included, as received."""
    start = _header_size(der, 0)
    header = _header_size(der, start)
    length = der[start + 2 : start + header] or der[start + 1 : start + 2]
    return der[start : start + header + int.from_bytes(length)]


def _header_size(der: bytes, offset: int) -> int:
    length = der[offset + 1]
    return 2 + (length & 0x7F if length & 0x80 else 0)


def instant(time: Time, *, what: str) -> datetime:
    """The aware UTC instant of a Time in the one form that it may have. Raises ParseError."""
    read = time.as_datetime()
    late = read.year >= _GENERALIZED_FROM
    if isinstance(time, asn1.GeneralizedTime) != late or read.microsecond:
        expected = "UTCTime before 2050, GeneralizedTime from 2050 on, whole seconds"
        raise ParseError(what, expected=expected, got=read.isoformat())
    return read
