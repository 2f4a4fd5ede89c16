from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.platform.der_writer import ia5_string, integer, octet_string
from pipeline.platform.simulated_certificate import RawExtension
from tests.synthetic_amd import (
    AMD_ARC,
    CSP_ID,
    START,
    TCBS,
    SyntheticAmd,
    chip_key,
    synthetic_amd,
    with_content,
    with_extension,
    without,
)
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.roots.amd_name import amd_name

MILAN = synthetic_amd()
TURIN = synthetic_amd(Product.TURIN)
VLEK = synthetic_amd(Product.MILAN, VekKind.VLEK)
KINDS = [(product, kind) for product in Product for kind in VekKind]
WHAT = "VEK certificate"


@pytest.mark.parametrize(("product", "kind"), KINDS)
def test_the_contents_of_a_certificate(product: Product, kind: VekKind) -> None:
    amd = synthetic_amd(product, kind)
    raw = amd.vek()
    certificate = parse_vek_certificate(raw)
    line = "SEV-VLEK" if kind is VekKind.VLEK else "SEV"
    assert certificate.raw == raw
    assert raw[4:].startswith(certificate.tbs)
    assert raw.endswith(certificate.signature)
    assert (certificate.kind, certificate.product, certificate.serial) == (kind, product, 0)
    assert certificate.issuer == amd_name(f"{line}-{product}")
    assert certificate.issuer_common_name == f"{line}-{product}"
    assert certificate.subject == amd_name(f"SEV-{kind}")
    assert certificate.not_before == START
    assert certificate.not_after == START + timedelta(days=7 * 365)
    assert certificate.public_key == chip_key().public_key()
    assert certificate.struct_version == (1 if product is Product.TURIN else 0)
    assert certificate.tcb == TCBS[product]
    assert certificate.hw_id == (amd.hw_id if kind is VekKind.VCEK else None)
    assert certificate.csp_id == (CSP_ID.decode() if kind is VekKind.VLEK else None)


@pytest.mark.parametrize(
    ("name", "product"),
    [("Milan", "Milan"), ("Milan-B0", "Milan"), ("Genoa-B1", "Genoa"), ("Turin-C1", "Turin")],
)
def test_a_product_may_have_a_stepping(name: str, product: str) -> None:
    amd = synthetic_amd(Product(product))
    certificate = parse_vek_certificate(amd.vek(product_name=name))
    assert (certificate.product_name, certificate.product) == (name, product)


@pytest.mark.parametrize(
    "name", ["Venice", "milan", "Milan-", "Milan-b0", "Milan-B0-B0", "Milan B0", " Milan", "-B0"]
)
def test_an_unknown_product_is_named(name: str) -> None:
    with rejects(UnsupportedError, f"{WHAT}, productName", expected="Milan, Genoa", got=name):
        parse_vek_certificate(MILAN.vek(product_name=name))


@pytest.mark.parametrize("amd", [MILAN, TURIN], ids=["Milan", "Turin"])
def test_a_wrapped_hw_id_is_the_same(amd: SyntheticAmd) -> None:
    raw = amd.vek(identity=octet_string(amd.hw_id))
    assert parse_vek_certificate(raw).hw_id == amd.hw_id


@pytest.mark.parametrize("size", [0, 8, 63, 65, 66, 68])
def test_a_hw_id_has_exactly_its_length(size: int) -> None:
    with rejects(ParseError, f"{WHAT}, hwID", expected="64 bytes for Milan", got=f"^{size} bytes"):
        parse_vek_certificate(MILAN.vek(identity=bytes(size)))


@pytest.mark.parametrize("wrapper", [b"\x04\x3f", b"\x03\x40", b"\x04\x41"])
def test_a_hw_id_is_wrapped_in_one_way(wrapper: bytes) -> None:
    with rejects(ParseError, f"{WHAT}, hwID", expected="64 bytes", got="^66 bytes"):
        parse_vek_certificate(MILAN.vek(identity=wrapper + bytes(64)))


def test_turin_has_a_short_hw_id() -> None:
    with rejects(ParseError, f"{WHAT}, hwID", expected="8 bytes for Turin", got="^64 bytes"):
        parse_vek_certificate(TURIN.vek(identity=bytes(64)))


ALL_MILAN = {
    "structVersion": (1,),
    "blSPL": (3, 1),
    "teeSPL": (3, 2),
    "snpSPL": (3, 3),
    "spl4": (3, 4),
    "spl5": (3, 5),
    "spl6": (3, 6),
    "spl7": (3, 7),
    "ucodeSPL": (3, 8),
    "hwID": (4,),
}


@pytest.mark.parametrize("name", ALL_MILAN)
def test_every_extension_is_required(name: str) -> None:
    raw = MILAN.vek(edit=without(*ALL_MILAN[name]))
    expected = "the extensions of a Milan VCEK"
    with rejects(ParseError, f"{WHAT}, extensions", expected=expected, got=f"^no {name}$"):
        parse_vek_certificate(raw)


def test_the_product_name_is_required() -> None:
    with rejects(ParseError, f"{WHAT}, productName", expected="one", got="none"):
        parse_vek_certificate(MILAN.vek(edit=without(2)))


@pytest.mark.parametrize("name", ALL_MILAN)
def test_every_extension_is_there_once(name: str) -> None:
    numbers = ALL_MILAN[name]

    def twice(extensions: tuple[RawExtension, ...]) -> tuple[RawExtension, ...]:
        again = [e for e in extensions if e.arcs == (*AMD_ARC, *numbers)]
        return (*extensions, *again)

    with rejects(ParseError, WHAT, expected="each extension once", got=f"^{name} twice$"):
        parse_vek_certificate(MILAN.vek(edit=twice))


AMD_CSP_ID = RawExtension((*AMD_ARC, 5), ia5_string("CN=x"))
FMC = RawExtension((*AMD_ARC, 3, 9), integer(1))
HW_ID = RawExtension((*AMD_ARC, 4), bytes(64))


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: MILAN.vek(edit=with_extension(AMD_CSP_ID)), "^cspID$"),
        (lambda: MILAN.vek(edit=with_extension(FMC)), "^fmcSPL$"),
        (lambda: VLEK.vek(edit=with_extension(HW_ID)), "^hwID$"),
        (lambda: VLEK.vek(edit=with_extension(FMC)), "^fmcSPL$"),
        (lambda: VLEK.vek(edit=without(3, 4)), "^no spl4$"),
        (lambda: TURIN.vek(edit=without(3, 9)), "^no fmcSPL$"),
        (lambda: TURIN.vek(edit=with_extension(AMD_CSP_ID)), "^cspID$"),
    ],
)
def test_kinds_and_products_do_not_mix(make: Callable[[], bytes], got: str) -> None:
    with rejects(ParseError, f"{WHAT}, extensions", expected="the extensions of a", got=got):
        parse_vek_certificate(make())


def test_a_vlek_names_its_provider() -> None:
    with rejects(ParseError, f"{WHAT}, extensions", expected="Milan VLEK", got="no cspID"):
        parse_vek_certificate(VLEK.vek(edit=without(5)))


def test_turin_may_have_a_zero_spl4() -> None:
    spl4 = RawExtension((*AMD_ARC, 3, 4), integer(0))
    assert parse_vek_certificate(TURIN.vek(edit=with_extension(spl4))).tcb == TURIN.tcb


@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_a_level_that_cannot_be_named_cannot_be_compared(number: int) -> None:
    raw = MILAN.vek(edit=with_content(integer(3), 3, number))
    with rejects(UnsupportedError, f"{WHAT}, spl{number}", expected=r"0 \(reserved\)", got="^3$"):
        parse_vek_certificate(raw)


UNKNOWN = {
    "AMD's own": RawExtension((*AMD_ARC, 3, 10), integer(1)),
    "AMD's own, other": RawExtension((*AMD_ARC, 6), b""),
    "critical": RawExtension((2, 5, 29, 15), b"\x03\x02\x07\x80", critical=True),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_extension_that_matters_is_named(case: str) -> None:
    extension = UNKNOWN[case]
    oid = ".".join(str(arc) for arc in extension.arcs)
    expected = "no critical or AMD extension"
    with rejects(UnsupportedError, WHAT, expected=expected, got=f"^{oid}$"):
        parse_vek_certificate(MILAN.vek(edit=with_extension(extension)))


def test_an_unknown_extension_that_does_not_matter_is_left() -> None:
    def doubled(extensions: tuple[RawExtension, ...]) -> tuple[RawExtension, ...]:
        return (*extensions, extension, extension)

    extension = RawExtension((2, 5, 29, 14), b"\x04\x01\x00")
    assert parse_vek_certificate(MILAN.vek(edit=with_extension(extension))).tcb == MILAN.tcb
    with rejects(ParseError, WHAT, expected="each extension once", got=r"^2\.5\.29\.14 twice$"):
        parse_vek_certificate(MILAN.vek(edit=doubled))


NOT_A_LEVEL = {
    "padded": b"\x02\x02\x00\x04",
    "negative": b"\x02\x01\x84",
    "last byte only": b"\x02\x02\x01\x04",
    "long length": b"\x02\x81\x01\x04",
    "trailing": b"\x02\x01\x04\x00",
    "another type": b"\x0a\x01\x04",
    "empty": b"",
    "no content": b"\x02\x00",
    "wrapped": b"\x04\x03\x02\x01\x04",
}


@pytest.mark.parametrize("case", NOT_A_LEVEL)
@pytest.mark.parametrize("name", ["structVersion", "blSPL", "snpSPL", "ucodeSPL"])
def test_a_level_is_one_strict_integer(case: str, name: str) -> None:
    der = NOT_A_LEVEL[case]
    raw = MILAN.vek(edit=with_content(der, *ALL_MILAN[name]))
    with rejects(ParseError, f"{WHAT}, {name}", expected="INTEGER from 0 to 255", got=der.hex()):
        parse_vek_certificate(raw)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 4))
def test_every_level_is_read(levels: tuple[int, int, int, int]) -> None:
    assert parse_vek_certificate(MILAN.vek(tcb=Tcb(None, *levels))).tcb == Tcb(None, *levels)


@pytest.mark.parametrize(("number", "amd"), [(0, TURIN), (1, MILAN), (2, MILAN), (2, TURIN)])
def test_another_structure_version_is_refused(number: int, amd: SyntheticAmd) -> None:
    raw = amd.vek(edit=with_content(integer(number), 1))
    expected = f"for {amd.vendor.product}"
    with rejects(UnsupportedError, f"{WHAT}, structVersion", expected=expected, got=f"^{number}$"):
        parse_vek_certificate(raw)


NOT_A_TEXT = {
    "UTF-8": b"\x0c\x05Milan",
    "long length": b"\x16\x81\x05Milan",
    "short": b"\x16\x04Milan",
    "trailing": b"\x16\x05Milan\x00",
    "empty": b"\x16\x00",
    "nothing": b"",
    "not ASCII": b"\x16\x05Mil\xe4n",
    "too long": b"\x16\x81\x80" + b"x" * 128,
}


@pytest.mark.parametrize("case", NOT_A_TEXT)
def test_a_text_is_one_strict_ia5_string(case: str) -> None:
    raw = MILAN.vek(edit=with_content(NOT_A_TEXT[case], 2))
    with rejects(ParseError, f"{WHAT}, productName", expected="IA5String", got=""):
        parse_vek_certificate(raw)


def test_a_text_can_be_shown() -> None:
    with rejects(ParseError, f"{WHAT}, cspID", expected="printable", got="x1b"):
        parse_vek_certificate(VLEK.vek(edit=with_content(ia5_string("CN=\x1b[31m"), 5)))


def test_the_subject_says_the_kind() -> None:
    raw = MILAN.vek().replace(b"\x0c\x08SEV-VCEK", b"\x0c\x08SEV-XCEK")
    with rejects(ParseError, f"{WHAT}, subject", expected="SEV-VCEK or SEV-VLEK", got="SEV-XCEK"):
        parse_vek_certificate(raw)


def test_the_kind_and_the_extensions_agree() -> None:
    raw = MILAN.vek().replace(b"\x0c\x08SEV-VCEK", b"\x0c\x08SEV-VLEK")
    with rejects(ParseError, f"{WHAT}, extensions", expected="VLEK", got="no cspID, hwID"):
        parse_vek_certificate(raw)


P384 = bytes.fromhex("06052b81040022")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (P384, bytes.fromhex("06052b81040023")),  # P-521
        (bytes.fromhex("03620004"), bytes.fromhex("03620002")),  # a compressed point's mark
        (bytes.fromhex("03620004"), bytes.fromhex("03620104")),  # unused bits
    ],
)
def test_the_key_is_an_uncompressed_point_of_p384(old: bytes, new: bytes) -> None:
    raw = MILAN.vek()
    assert raw.count(old) == 1
    with rejects(ParseError, f"{WHAT}, public key", expected="uncompressed point", got="30"):
        parse_vek_certificate(raw.replace(old, new))


def test_the_key_is_on_the_curve() -> None:
    raw = bytearray(MILAN.vek())
    raw[raw.index(bytes.fromhex("03620004")) + 40] ^= 1
    with rejects(ParseError, f"{WHAT}, public key", expected="a point on P-384", got="."):
        parse_vek_certificate(bytes(raw))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_parsed_or_refused(data: st.DataObject) -> None:
    raw = bytearray(MILAN.vek())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = parse_vek_certificate(bytes(raw))
    except (ParseError, UnsupportedError) as error:
        refusal = error.expected
    else:
        refusal = ""
        assert raw[4:].startswith(certificate.tbs)
    assert isinstance(refusal, str)


@given(st.binary(max_size=200))
def test_noise_is_refused(raw: bytes) -> None:
    with rejects(ParseError, WHAT, expected="DER", got="."):
        parse_vek_certificate(raw)
