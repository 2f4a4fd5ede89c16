"""Writes the few DER elements that AMD's certificates are made of (ITU-T X.690).

The certificate builder of ``cryptography`` refuses serial number 0, which every genuine VCEK has,
so a faithful simulation writes its certificates itself.
"""

from __future__ import annotations

from datetime import datetime

from verifier.evidence.der import sequence

__all__ = [
    "bit_string",
    "boolean",
    "element",
    "explicit",
    "ia5_string",
    "integer",
    "name",
    "object_identifier",
    "octet_string",
    "sequence",
    "time",
]


def element(tag: int, content: bytes) -> bytes:
    """An element with this tag byte and content."""
    return bytes((tag,)) + sequence(content)[1:]


def explicit(number: int, content: bytes) -> bytes:
    """``content`` in an explicit context tag."""
    return element(0xA0 | number, content)


def boolean(*, value: bool) -> bytes:
    """A BOOLEAN."""
    return element(0x01, b"\xff" if value else b"\0")


def integer(value: int) -> bytes:
    """An INTEGER that is not negative, in its shortest form."""
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def octet_string(content: bytes) -> bytes:
    """An OCTET STRING."""
    return element(0x04, content)


def bit_string(content: bytes) -> bytes:
    """A BIT STRING of whole bytes."""
    return element(0x03, b"\0" + content)


def ia5_string(text: str) -> bytes:
    """An IA5String."""
    return element(0x16, text.encode("ascii"))


def object_identifier(arcs: tuple[int, ...]) -> bytes:
    """An OBJECT IDENTIFIER of at least two arcs."""
    content = b"".join(_base128(arc) for arc in (40 * arcs[0] + arcs[1], *arcs[2:]))
    return element(0x06, content)


def time(instant: datetime) -> bytes:
    """A UTCTime, or from 2050 on a GeneralizedTime; whole seconds of UTC."""
    digits = f"{instant:%Y%m%d%H%M%SZ}".encode("ascii")
    return element(0x17, digits[2:]) if instant.year < 2050 else element(0x18, digits)


def name(organization: str, common_name: str) -> bytes:
    """A Name in AMD's shape: OU, C, L, ST, O, CN, with another organization."""
    parts = (
        (11, 0x0C, "Engineering"),
        (6, 0x13, "US"),
        (7, 0x0C, "Nowhere"),
        (8, 0x0C, "CA"),
        (10, 0x0C, organization),
        (3, 0x0C, common_name),
    )
    return sequence(
        b"".join(
            element(
                0x31,
                sequence(object_identifier((2, 5, 4, kind)) + element(tag, text.encode("ascii"))),
            )
            for kind, tag, text in parts
        )
    )


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | arc & 0x7F)
    return bytes(reversed(digits))
