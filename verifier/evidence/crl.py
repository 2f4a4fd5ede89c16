"""X.509 certificate revocation lists of AMD's SEV-SNP profile, read from strict DER.

Source: RFC 5280 section 5.1. A product's ARK signs one list with about a year of life; it names
intermediate certificates, never VEKs, which all have serial number 0. Only a complete list of
what its issuer itself revoked is read: a delta, an indirect list or a part of one is refused,
because a serial number that is missing in it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.der import (
    Extension,
    Time,
    decode,
    element,
    first_element,
    instant,
    require_der,
    signature_bytes,
)
from verifier.tlog.strict import first_repeated

__all__ = ["MAX_CRL_SIZE", "MAX_REVOKED", "Crl", "Revoked", "parse_crl"]

MAX_CRL_SIZE = 65_536
"""Bytes of the largest CRL that is looked at; AMD's are below 1,000."""
MAX_REVOKED = 1024
"""Most certificates that a CRL may list; AMD's list one or none."""

_WHAT = "CRL"
_VERSION_2 = 1  # RFC 5280 section 5.1.2.1
_MAX_NUMBER = 2**160  # sections 5.2.3 and 4.1.2.2: at most 20 octets, not negative

_CRL_NUMBER = ObjectIdentifier("2.5.29.20")
_AUTHORITY_KEY = ObjectIdentifier("2.5.29.35")
_DELTA = ObjectIdentifier("2.5.29.27")
_DISTRIBUTION_POINT = ObjectIdentifier("2.5.29.28")
_KNOWN = (_CRL_NUMBER, _AUTHORITY_KEY)
# These change what a missing serial number means, so they count even if they are not critical.
_PARTIAL = (_DELTA, _DISTRIBUTION_POINT)
_CERTIFICATE_ISSUER = ObjectIdentifier("2.5.29.29")


@asn1.sequence
class _Entry:
    serial: int
    revoked: Time
    extensions: list[Extension] | None


# Version 2 with extensions: anything else does not fit this shape. nextUpdate is optional in
# ASN.1 and demanded by section 5.1.2.5, so it is missed by its name and not by the shape.
@asn1.sequence
class _ToBeSigned:
    version: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    this_update: Time
    next_update: Time | None
    revoked: list[_Entry] | None
    extensions: Annotated[list[Extension], asn1.Explicit(0)]


@asn1.sequence
class _CertificateList:
    inner: _ToBeSigned
    algorithm: asn1.TLV
    signature: asn1.BitString


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate of the list: its serial number, and since when it is revoked (UTC)."""

    serial: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A well-formed CRL whose signature nobody has verified yet.

    ``raw`` is the received DER, ``tbs`` the received bytes that the 512-byte ``signature`` covers,
    ``issuer`` the DER of the Name. ``this_update`` and ``next_update`` are aware, UTC and
    inclusive; ``number`` grows with every list of an issuer. ``revoked`` is in the order received.
    """

    raw: bytes
    tbs: bytes
    signature: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime
    number: int
    revoked: tuple[Revoked, ...]


def parse_crl(der: bytes) -> Crl:
    """Read the DER of a CRL that is signed with RSASSA-PSS, SHA-384 and an RSA-4096 key.

    Raises ParseError for anything that the profile does not allow, and UnsupportedError for a
    critical extension of unknown meaning and for a list that is not complete. The signature is
    not verified.
    """
    return _parse(der)


# One list serves all machines of a product line for a year. What is kept is what the bytes say,
# never an outcome of verifying them.
@lru_cache(maxsize=16)
def _parse(der: bytes) -> Crl:
    require_der(der, limit=MAX_CRL_SIZE, command="openssl crl", what=_WHAT)
    outer = decode(_CertificateList, der, what=_WHAT)
    inner = outer.inner
    if inner.version != _VERSION_2:
        raise ParseError(f"{_WHAT}, version", expected="1 (v2)", got=str(inner.version))
    this_update, next_update = _updates(inner)
    return Crl(
        raw=der,
        tbs=first_element(der),
        signature=signature_bytes(inner.algorithm, outer.algorithm, outer.signature, what=_WHAT),
        issuer=element(inner.issuer, what=f"{_WHAT}, issuer"),
        this_update=this_update,
        next_update=next_update,
        number=_number(inner.extensions),
        revoked=_revoked(inner.revoked),
    )


def _updates(inner: _ToBeSigned) -> tuple[datetime, datetime]:
    this_update = instant(inner.this_update, what=f"{_WHAT}, thisUpdate")
    what = f"{_WHAT}, nextUpdate"
    if inner.next_update is None:
        raise ParseError(what, expected="an instant", got="it is missing")
    next_update = instant(inner.next_update, what=what)
    if next_update < this_update:
        expected = f"{this_update.isoformat()} or later"
        raise ParseError(what, expected=expected, got=next_update.isoformat())
    return this_update, next_update


def _number(extensions: list[Extension]) -> int:
    _check_extensions(extensions, known=_KNOWN, refused=_PARTIAL, what=_WHAT)
    values = [extension.value for extension in extensions if extension.oid == _CRL_NUMBER]
    what = f"{_WHAT}, cRLNumber"
    if not values:
        raise ParseError(what, expected="one", got="none")
    number = decode(int, values[0], what=what)
    return _bounded(number, what)


def _revoked(entries: list[_Entry] | None) -> tuple[Revoked, ...]:
    what = f"{_WHAT}, revokedCertificates"
    if entries is None:
        return ()
    if not 0 < len(entries) <= MAX_REVOKED:  # section 5.1.2.6: the field is absent if it is empty
        raise ParseError(what, expected=f"1 to {MAX_REVOKED}, or absent", got=str(len(entries)))
    revoked = tuple(_entry(entry, f"{what}[{place}]") for place, entry in enumerate(entries))
    twice = first_repeated(each.serial for each in revoked)
    if twice is not None:
        raise ParseError(what, expected="each serial number once", got=f"{twice:#x} twice")
    return revoked


def _entry(entry: _Entry, what: str) -> Revoked:
    _check_extensions(entry.extensions or [], known=(), refused=(_CERTIFICATE_ISSUER,), what=what)
    return Revoked(_bounded(entry.serial, what), instant(entry.revoked, what=what))


def _check_extensions(
    extensions: list[Extension],
    *,
    known: tuple[ObjectIdentifier, ...],
    refused: tuple[ObjectIdentifier, ...],
    what: str,
) -> None:
    what = f"{what}, extensions"
    seen: set[ObjectIdentifier] = set()
    for extension in extensions:
        oid = extension.oid
        if oid in seen:
            got = f"{oid.dotted_string} twice"
            raise ParseError(what, expected="each extension once", got=got)
        seen.add(oid)
        if oid in refused or (extension.critical and oid not in known):
            expected = "a complete list, and no critical extension of unknown meaning"
            raise UnsupportedError(what, expected=expected, got=oid.dotted_string)


def _bounded(number: int, what: str) -> int:
    if not 0 <= number < _MAX_NUMBER:
        expected = "0 or more, of at most 20 bytes"
        raise ParseError(what, expected=expected, got=f"{number:#x}"[:60])
    return number
