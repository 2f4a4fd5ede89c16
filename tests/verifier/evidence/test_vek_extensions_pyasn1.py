"""The decoder of AMD's extensions against pyasn1, which is general, slower and not ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char, univ

from tests.synthetic_amd import AMD_ARC, synthetic_amd, with_content
from verifier.errors import AuditError
from verifier.evidence.der import Extension, parse_certificate
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate

MILAN = synthetic_amd()
OID = ".".join(str(arc) for arc in AMD_ARC)
LEVELS = {"1": "bootloader", "2": "tee", "3": "snp", "8": "microcode", "9": "fmc"}


def by_pyasn1(extensions: Iterable[Extension]) -> dict[str, object]:
    """Every AMD extension as pyasn1 reads it, by its arcs below AMD's."""
    values: dict[str, object] = {}
    for extension in extensions:
        arcs = extension.oid.dotted_string.removeprefix(f"{OID}.")
        if arcs == "4":
            values[arcs] = extension.value[-8:] if len(extension.value) < 64 else extension.value
            continue
        spec = char.IA5String() if arcs in ("2", "5") else univ.Integer()
        value, rest = decoder.decode(extension.value, asn1Spec=spec)
        assert not rest
        values[arcs] = str(value) if arcs in ("2", "5") else int(value)
    return values


def by_us(der: bytes) -> dict[str, object]:
    """The same from the parsed certificate; reserved levels are zero or it does not parse."""
    certificate = parse_vek_certificate(der)
    values: dict[str, object] = {
        "1": certificate.struct_version,
        "2": certificate.product_name,
        **{f"3.{number}": getattr(certificate.tcb, name) for number, name in LEVELS.items()},
        **{f"3.{number}": 0 for number in (4, 5, 6, 7)},
        "4": certificate.hw_id,
        "5": certificate.csp_id,
    }
    absent = () if certificate.product is not Product.TURIN else ("3.4",)
    return {k: v for k, v in values.items() if v is not None and k not in absent}


def test_every_genuine_extension_decodes_the_same(vectors: Path) -> None:
    paths = sorted((vectors / "snp" / "certs").glob("*.der"))
    assert len(paths) >= 20
    for path in paths:
        der = path.read_bytes()
        extensions = parse_certificate(der, what=path.name).extensions
        assert by_us(der) == by_pyasn1(extensions), path.name


@settings(max_examples=30, deadline=None)
@given(
    product=st.sampled_from(list(Product)),
    kind=st.sampled_from(list(VekKind)),
    levels=st.tuples(*[st.integers(0, 255)] * 5),
)
def test_every_made_extension_decodes_the_same(
    product: Product, kind: VekKind, levels: tuple[int, int, int, int, int]
) -> None:
    fmc, bootloader, tee, snp, microcode = levels
    tcb = Tcb(fmc if product is Product.TURIN else None, bootloader, tee, snp, microcode)
    der = synthetic_amd(product, kind).vek(tcb=tcb)
    assert by_us(der) == by_pyasn1(parse_certificate(der, what="made").extensions)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=6)
    | st.tuples(st.sampled_from((1, 2, 3)), st.binary(max_size=3)).map(
        lambda pair: bytes((2, pair[0])) + pair[1]
    )
)
def test_what_we_take_for_a_level_pyasn1_takes_too(content: bytes) -> None:
    # One way only: pyasn1 takes padded and long-length integers, which are not DER.
    try:
        level = parse_vek_certificate(MILAN.vek(edit=with_content(content, 3, 1))).tcb.bootloader
    except AuditError:
        with pytest.raises((PyAsn1Error, AssertionError)):
            _strict(content)
        return
    assert decoder.decode(content, asn1Spec=univ.Integer()) == (level, b"")


def _strict(content: bytes) -> None:
    """Fails unless ``content`` is the only DER of an integer from 0 to 255, by pyasn1's word."""
    value, rest = decoder.decode(content, asn1Spec=univ.Integer())
    assert not rest
    assert 0 <= int(value) <= 255
    assert len(content) == (3 if int(value) < 128 else 4)
