"""Who signed, in Sigstore's words: an identity, and the issuer that vouched for it.

A certificate of a Sigstore CA lives for minutes. What counts is whom it names (subject alternative
name) and which OpenID Connect issuer said so. Source: Fulcio, docs/certificate-specification.md and
docs/oid-info.md (sigstore/fulcio); the OIDs are arcs of 1.3.6.1.4.1.57264.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.strict import excerpt, parse_utf8

__all__ = [
    "AuthenticIdentity",
    "Identity",
    "SigningCertificate",
    "match_identity",
    "parse_signing_certificate",
]

_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_WHAT = "signing certificate"
# Certificate and TBSCertificate of 256 bytes to 64 KiB, version 3, the size and start of the serial
# number. One that is not positive is only warned of by the library, on stderr, and then read.
_HEAD = re.compile(rb"0\x82..0\x82..\xa0\x03\x02\x01\x02\x02([\x01-\x14])(.)", re.DOTALL)
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """``identity`` is an e-mail address or a URI, ``issuer`` the URL of who vouches for it."""

    identity: str
    issuer: str

    def __str__(self) -> str:
        return f"{self.identity} by {self.issuer}"


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """What a certificate says, believed by no one. The instants are aware and UTC."""

    identity: Identity
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticIdentity:
    """``identity`` signed ``statement``. Made by ``TrustedRoot.verify_identity`` alone.

    ``instant`` is when, and ``clock`` names who says so. The signature is entry ``index`` of the
    log that calls itself ``log``, in a tree of ``size`` entries.
    """

    identity: Identity
    statement: bytes
    instant: datetime
    clock: str
    log: str
    index: int
    size: int


def parse_signing_certificate(der: bytes) -> SigningCertificate:
    """Read a certificate with a P-256 key, one name and one issuer.

    The issuer is that of the extension ``.8``; where the older ``.1`` is there as well, it must
    say the same. Raises ParseError, and UnsupportedError for another kind of key or name.
    """
    head = _HEAD.match(der)
    if head is None or head[2] > b"\x7f" or head.groups() == (b"\x01", b"\0"):
        expected = "DER of an X.509 certificate of version 3 with a positive serial number"
        raise ParseError(_WHAT, expected=expected, got=der[:20].hex() or "nothing")
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        extensions = certificate.extensions
    except _UNREADABLE:
        got = f"{len(der)} bytes that are none"
        raise ParseError(_WHAT, expected="DER of an X.509 certificate", got=got) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnsupportedError(f"{_WHAT}, key", expected="ECDSA P-256", got="another kind of key")
    return SigningCertificate(
        Identity(_name(extensions), _issuer(extensions)),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def _name(extensions: x509.Extensions) -> str:
    what = f"{_WHAT}, subject alternative name"
    try:
        names = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = ()
    if len(names) != 1:
        raise ParseError(what, expected="one name", got=str(len(names)))
    name = names[0]
    if not isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier):
        got = type(name).__name__
        raise UnsupportedError(what, expected="an e-mail address or a URI", got=got)
    return name.value


def _issuer(extensions: x509.Extensions) -> str:
    what = f"{_WHAT}, OpenID Connect issuer"
    encoded = _raw(extensions, _ISSUER_V2)
    if encoded is None:
        raise ParseError(what, expected="the extension .8", got="it is missing")
    try:
        issuer = asn1.decode_der(str, encoded)
    except ValueError:
        got = excerpt(encoded)
        raise ParseError(what, expected="DER of a UTF8String", got=got) from None
    older = _raw(extensions, _ISSUER_V1)
    if older is not None and parse_utf8(older, what=what) != issuer:
        got = f"{excerpt(older)} in the extension .1"
        raise ParseError(what, expected=excerpt(issuer), got=got)
    return issuer


def _raw(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> bytes | None:
    for extension in extensions:
        if extension.oid == oid and isinstance(extension.value, x509.UnrecognizedExtension):
            return extension.value.value
    return None


def match_identity(found: Identity, *, identities: tuple[Identity, ...]) -> Identity:
    """The one of ``identities`` that ``found`` is, character by character.

    Raises VerificationError.
    """
    for identity in identities:
        if identity == found:
            return identity
    expected = " or ".join(map(str, identities))
    got = f"{excerpt(found.identity, 200)} by {excerpt(found.issuer, 200)}"
    raise VerificationError("Sigstore identity", expected=expected, got=got)
