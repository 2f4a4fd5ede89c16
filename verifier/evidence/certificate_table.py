"""The certificate table that a host hands to its guest beside a report.

Source: GHCB specification (AMD publication 56421), SNP Extended Guest Request. Entries of 24 bytes
name a certificate by GUID, offset and length; an entry of zeros ends them. Linux gives the same
table as ``auxblob``, beside the report as ``outblob``. The host writes the table, so nothing in it
is believed: a VEK certificate is verified under a pinned key, a CA certificate only compared.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.evidence.guid import guid, guid_text
from verifier.evidence.snp_report import SIZE, parse_report
from verifier.roots.snp_root import VekKind

__all__ = [
    "MAX_ENTRIES",
    "MAX_TABLE",
    "CertificateTable",
    "parse_certificate_table",
    "split_report",
    "starts_table",
]

MAX_TABLE = 65_536
"""Bytes of the largest table that is looked at; Linux takes at most 16 KiB from a host."""
MAX_ENTRIES = 32
"""Most certificates in a table."""

_WHAT = "certificate table"
_SIGNED_BY_VLEK = 1  # KEY_INFO.SIGNING_KEY
_ENTRY = struct.Struct("< 16s I I")
_END = bytes(_ENTRY.size)

_VEKS: Mapping[VekKind, bytes] = {
    VekKind.VCEK: guid("63da758d-e664-4564-adc5-f4b93be8accd"),
    VekKind.VLEK: guid("a8074bc2-a25a-483e-aae6-39c045a0b8a1"),
}
_ASK = guid("4ab7b379-bbac-4fe4-a02f-05aef327c782")  # the ASVK in a table with a VLEK
_ARK = guid("c0b406a4-a803-4952-9743-3fb6014cd0ae")
_NAMES: Mapping[bytes, str] = {
    **{stored: str(kind) for kind, stored in _VEKS.items()},
    _ASK: "ASK",
    _ARK: "ARK",
}


@dataclass(frozen=True, slots=True)
class CertificateTable:
    """The contents of a table by stored GUID, in the order received; believed by no one."""

    contents: Mapping[bytes, bytes]

    def vek(self, kind: VekKind) -> bytes | None:
        """The VEK certificate of this kind, or None."""
        return self.contents.get(_VEKS[kind])

    def vek_of(self, report: bytes) -> bytes | None:
        """The certificate of the key that signed ``report``; the only one if there are not two.

        Raises ParseError and UnsupportedError as ``parse_report``, where there are two.
        """
        veks = [vek for kind in VekKind if (vek := self.vek(kind)) is not None]
        if len(veks) < 2:
            return veks[0] if veks else None
        by_vlek = parse_report(report).signing_key == _SIGNED_BY_VLEK
        return self.vek(VekKind.VLEK if by_vlek else VekKind.VCEK)

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """The CA certificates, whatever they are: some hosts give malformed ones."""
        return tuple(content for key, content in self.contents.items() if key in (_ASK, _ARK))

    @property
    def names(self) -> tuple[str, ...]:
        """What is in the table: a name where the GUID is known, else the GUID."""
        return tuple(_NAMES.get(key) or guid_text(key) for key in self.contents)


def starts_table(raw: bytes) -> bool:
    """Whether ``raw`` begins with a known GUID, as a table does."""
    return raw[:16] in _NAMES


def parse_certificate_table(raw: bytes) -> CertificateTable:
    """Read a table. Raises ParseError.

    Every certificate lies behind the entries and within the table, none over another, and what
    lies between and behind them is zero. An unknown GUID is kept, the same one twice refused.
    """
    if len(raw) > MAX_TABLE:
        raise ParseError(_WHAT, expected=f"at most {MAX_TABLE} bytes", got=f"{len(raw)} bytes")
    places = _places(raw)
    covered = (len(places) + 1) * _ENTRY.size
    for start, end, name in sorted(places.values()):
        what = f"{_WHAT}, {name}"
        if start < covered or end <= start or end > len(raw):
            expected = f"one or more bytes from {covered} to {len(raw)}, under no other"
            raise ParseError(what, expected=expected, got=f"{start} to {end}")
        _require_zeros(raw[covered:start])
        covered = end
    _require_zeros(raw[covered:])
    return CertificateTable({key: raw[start:end] for key, (start, end, _) in places.items()})


def split_report(raw: bytes) -> tuple[bytes, CertificateTable | None]:
    """A report and the table that follows it, if one does. Raises ParseError.

    What is not longer than a report is given back as it is.
    """
    if len(raw) <= SIZE:
        return raw, None
    return raw[:SIZE], parse_certificate_table(raw[SIZE:])


def _places(raw: bytes) -> dict[bytes, tuple[int, int, str]]:
    places: dict[bytes, tuple[int, int, str]] = {}
    for offset in range(0, len(raw) - _ENTRY.size + 1, _ENTRY.size):
        if raw[offset : offset + _ENTRY.size] == _END:
            return places
        if len(places) == MAX_ENTRIES:
            raise ParseError(_WHAT, expected=f"at most {MAX_ENTRIES} certificates", got="more")
        key, start, size = _ENTRY.unpack_from(raw, offset)
        name = _NAMES.get(key) or guid_text(key)
        if key in places:
            raise ParseError(_WHAT, expected="each GUID once", got=f"{name} twice")
        places[key] = (start, start + size, name)
    raise ParseError(_WHAT, expected="an entry of zeros at the end", got="none")


def _require_zeros(gap: bytes) -> None:
    if any(gap):
        raise ParseError(_WHAT, expected="zeros outside of certificates", got="something else")
