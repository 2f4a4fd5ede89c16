"""The VEK certificate: VCEK (of one chip) or VLEK (loaded by a cloud provider).

Source: AMD publication 57230 (VCEK certificate and KDS interface), whose extensions say for which
chip, product and TCB the firmware derived the key. The certificate, not the text of a report, is
the authority on the TCB: old firmware can lie in a report, but cannot derive a newer key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.x509 import ObjectIdentifier

from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.der import Extension, common_name, parse_certificate
from verifier.evidence.tcb import Product, Tcb
from verifier.roots.snp_root import VekKind
from verifier.tlog.strict import excerpt, first_repeated

__all__ = ["VekCertificate", "VekKind", "parse_vek_certificate"]

_WHAT = "VEK certificate"

_ARC = "1.3.6.1.4.1.3704.1."
_STRUCT_VERSION = ObjectIdentifier(_ARC + "1")
_PRODUCT_NAME = ObjectIdentifier(_ARC + "2")
_BOOTLOADER = ObjectIdentifier(_ARC + "3.1")
_TEE = ObjectIdentifier(_ARC + "3.2")
_SNP = ObjectIdentifier(_ARC + "3.3")
_SPL4 = ObjectIdentifier(_ARC + "3.4")
_SPL5 = ObjectIdentifier(_ARC + "3.5")
_SPL6 = ObjectIdentifier(_ARC + "3.6")
_SPL7 = ObjectIdentifier(_ARC + "3.7")
_MICROCODE = ObjectIdentifier(_ARC + "3.8")
_FMC = ObjectIdentifier(_ARC + "3.9")
_HW_ID = ObjectIdentifier(_ARC + "4")
_CSP_ID = ObjectIdentifier(_ARC + "5")

_NAMES = {
    _STRUCT_VERSION: "structVersion",
    _PRODUCT_NAME: "productName",
    _BOOTLOADER: "blSPL",
    _TEE: "teeSPL",
    _SNP: "snpSPL",
    _SPL4: "spl4",
    _SPL5: "spl5",
    _SPL6: "spl6",
    _SPL7: "spl7",
    _MICROCODE: "ucodeSPL",
    _FMC: "fmcSPL",
    _HW_ID: "hwID",
    _CSP_ID: "cspID",
}
_KNOWN = frozenset(_NAMES)
_ALWAYS = frozenset(
    (_STRUCT_VERSION, _PRODUCT_NAME, _BOOTLOADER, _TEE, _SNP, _SPL5, _SPL6, _SPL7, _MICROCODE)
)


def _extension_set(
    kind: VekKind, product: Product
) -> tuple[frozenset[ObjectIdentifier], frozenset[ObjectIdentifier]]:
    """The required and the optional extensions: Turin has fmcSPL, and may leave out spl4."""
    identity = _HW_ID if kind is VekKind.VCEK else _CSP_ID
    if product is Product.TURIN:
        return _ALWAYS | {identity, _FMC}, frozenset((_SPL4,))
    return _ALWAYS | {identity, _SPL4}, frozenset()


_EXTENSIONS = MappingProxyType(
    {(kind, product): _extension_set(kind, product) for kind in VekKind for product in Product}
)
# Each INTEGER from 0 to 255 has one DER encoding, so this table is the whole strict decoder; a
# certificate has ten of them, and any general one costs more than the rest of the parsing.
_LEVELS: Mapping[bytes, int] = MappingProxyType(
    {
        **{bytes((0x02, 1, level)): level for level in range(128)},
        **{bytes((0x02, 2, 0, level)): level for level in range(128, 256)},
    }
)
# Levels of the reserved bytes of TCB_VERSION.
_RESERVED = (_SPL4, _SPL5, _SPL6, _SPL7)
_ZERO = bytes((0x02, 1, 0))

_PRODUCTS: Mapping[str, Product] = MappingProxyType({str(line): line for line in Product})
_STEPPING = re.compile(r"[A-Z][0-9]", re.ASCII)
_KINDS: Mapping[str, VekKind] = MappingProxyType({f"SEV-{kind}": kind for kind in VekKind})

_CURVE = SECP384R1()
# SubjectPublicKeyInfo up to the point: id-ecPublicKey, secp384r1, BIT STRING, uncompressed.
_KEY_PREFIX = bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004")
_KEY_SIZE = len(_KEY_PREFIX) + 96


@dataclass(frozen=True, slots=True, kw_only=True)
class VekCertificate:
    """A well-formed VEK certificate whose signature nobody has verified yet.

    ``raw`` is the received DER, ``tbs`` the received bytes that ``signature`` covers. ``issuer``
    and ``subject`` are the DER of the Names. ``hw_id`` is there for a VCEK (64 bytes, 8 for
    Turin), ``csp_id`` for a VLEK. ``tcb`` is what the key was derived for. ``product`` is the line
    of ``product_name``, which may also name a stepping ("Milan-B0").
    """

    raw: bytes
    tbs: bytes
    signature: bytes
    kind: VekKind
    serial: int
    issuer: bytes
    issuer_common_name: str
    subject: bytes
    not_before: datetime
    not_after: datetime
    public_key: EllipticCurvePublicKey
    struct_version: int
    product_name: str
    product: Product
    tcb: Tcb
    hw_id: bytes | None
    csp_id: str | None


def parse_vek_certificate(der: bytes) -> VekCertificate:
    """Read the DER of a VCEK or VLEK certificate.

    Raises ParseError for anything that AMD's profile does not allow (an extension twice, missing,
    or of the other kind; a key that is not on P-384; another signature algorithm), and
    UnsupportedError for a product, structure version, AMD extension or TCB component that is
    unknown here: a component that cannot be named cannot be compared.
    """
    return _parse(der)


# A verifier mostly sees the same few chips, and OpenSSL prepares a key at its first use. What is
# kept is what the bytes say, never an outcome of verifying them.
@lru_cache(maxsize=256)
def _parse(der: bytes) -> VekCertificate:
    certificate = parse_certificate(der, what=_WHAT)
    kind = _kind(certificate.subject)
    values = _extension_values(certificate.extensions)
    product_name = _text(values, _PRODUCT_NAME)
    product = _product(product_name)
    _check_extension_set(values, kind, product)
    return VekCertificate(
        raw=der,
        tbs=certificate.tbs,
        signature=certificate.signature,
        kind=kind,
        serial=certificate.serial,
        issuer=certificate.issuer,
        issuer_common_name=common_name(certificate.issuer, what=f"{_WHAT}, issuer"),
        subject=certificate.subject,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        public_key=_public_key(certificate.key),
        struct_version=_struct_version(values, product),
        product_name=product_name,
        product=product,
        tcb=_tcb(values),
        hw_id=_hw_id(values, product) if kind is VekKind.VCEK else None,
        csp_id=_text(values, _CSP_ID) if kind is VekKind.VLEK else None,
    )


def _kind(subject: bytes) -> VekKind:
    name = common_name(subject, what=f"{_WHAT}, subject")
    kind = _KINDS.get(name)
    if kind is None:
        raise ParseError(f"{_WHAT}, subject", expected="SEV-VCEK or SEV-VLEK", got=excerpt(name))
    return kind


def _extension_values(extensions: tuple[Extension, ...]) -> dict[ObjectIdentifier, bytes]:
    twice = first_repeated(extension.oid for extension in extensions)
    if twice is not None:
        raise ParseError(_WHAT, expected="each extension once", got=f"{_name(twice)} twice")
    values = {extension.oid: extension.value for extension in extensions}
    if not values.keys() <= _KNOWN:
        _drop_foreign(values, extensions)
    return values


def _drop_foreign(values: dict[ObjectIdentifier, bytes], extensions: tuple[Extension, ...]) -> None:
    for extension in extensions:
        oid = extension.oid
        if oid in _KNOWN:
            continue
        if extension.critical or oid.dotted_string.startswith(_ARC):
            expected = "no critical or AMD extension of unknown meaning"
            raise UnsupportedError(_WHAT, expected=expected, got=oid.dotted_string)
        del values[oid]


def _check_extension_set(
    values: Mapping[ObjectIdentifier, bytes], kind: VekKind, product: Product
) -> None:
    required, optional = _EXTENSIONS[kind, product]
    given = values.keys()
    if given == required or required <= given <= required | optional:
        return
    missing = [f"no {_NAMES[oid]}" for oid in required - given]
    foreign = [_NAMES[oid] for oid in given - required - optional]
    expected = f"the extensions of a {product} {kind}"
    got = ", ".join(sorted(missing) + sorted(foreign))
    raise ParseError(f"{_WHAT}, extensions", expected=expected, got=got)


def _struct_version(values: Mapping[ObjectIdentifier, bytes], product: Product) -> int:
    version = _level(values, _STRUCT_VERSION)
    expected = 1 if product is Product.TURIN else 0
    if version != expected:
        what = f"{_WHAT}, structVersion"
        raise UnsupportedError(what, expected=f"{expected} for {product}", got=str(version))
    return version


def _product(product_name: str) -> Product:
    line, dash, stepping = product_name.partition("-")
    product = _PRODUCTS.get(line)
    if product is None or (dash and _STEPPING.fullmatch(stepping) is None):
        expected = "Milan, Genoa or Turin, with or without a stepping"
        what = f"{_WHAT}, productName"
        raise UnsupportedError(what, expected=expected, got=excerpt(product_name))
    return product


def _tcb(values: Mapping[ObjectIdentifier, bytes]) -> Tcb:
    for oid in _RESERVED:
        if values.get(oid, _ZERO) != _ZERO:
            what = f"{_WHAT}, {_name(oid)}"
            raise UnsupportedError(what, expected="0 (reserved)", got=str(_level(values, oid)))
    return Tcb(
        _level(values, _FMC) if _FMC in values else None,
        _level(values, _BOOTLOADER),
        _level(values, _TEE),
        _level(values, _SNP),
        _level(values, _MICROCODE),
    )


def _level(values: Mapping[ObjectIdentifier, bytes], oid: ObjectIdentifier) -> int:
    level = _LEVELS.get(values[oid])
    if level is None:
        what = f"{_WHAT}, {_name(oid)}"
        got = values[oid].hex()[:40]
        raise ParseError(what, expected="the DER of an INTEGER from 0 to 255", got=got)
    return level


def _text(values: Mapping[ObjectIdentifier, bytes], oid: ObjectIdentifier) -> str:
    what = f"{_WHAT}, {_name(oid)}"
    der = values.get(oid)
    if der is None:
        raise ParseError(what, expected="one", got="none")
    size = len(der) - 2
    # Below 128 a DER length is one byte, and IA5 is ASCII.
    if not 0 < size < 128 or der[:2] != bytes((0x16, size)) or not der[2:].isascii():
        expected = "the DER of an IA5String of 1 to 127 characters"
        raise ParseError(what, expected=expected, got=der.hex()[:40])
    text = der[2:].decode("ascii")
    if not text.isprintable():
        raise ParseError(what, expected="printable characters", got=excerpt(text))
    return text


def _hw_id(values: Mapping[ObjectIdentifier, bytes], product: Product) -> bytes:
    size = 8 if product is Product.TURIN else 64
    value = values[_HW_ID]
    # AMD puts the bytes into the extension as they are; some tools wrap an OCTET STRING around.
    if len(value) == size + 2 and value.startswith(bytes((0x04, size))):
        value = value[2:]
    if len(value) != size:
        what = f"{_WHAT}, hwID"
        raise ParseError(what, expected=f"{size} bytes for {product}", got=f"{len(value)} bytes")
    return value


def _public_key(der: bytes) -> EllipticCurvePublicKey:
    what = f"{_WHAT}, public key"
    if len(der) != _KEY_SIZE or not der.startswith(_KEY_PREFIX):
        raise ParseError(what, expected="an uncompressed point of P-384", got=der.hex()[:60])
    try:
        return EllipticCurvePublicKey.from_encoded_point(_CURVE, der[len(_KEY_PREFIX) - 1 :])
    except ValueError:
        raise ParseError(what, expected="a point on P-384", got=der.hex()[-192:-150]) from None


def _name(oid: ObjectIdentifier) -> str:
    return _NAMES.get(oid, oid.dotted_string)
