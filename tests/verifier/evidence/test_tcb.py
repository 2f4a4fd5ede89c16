from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.evidence.tcb import (
    Firmware,
    Product,
    Tcb,
    decode_tcb,
    encode_tcb,
    product_of_cpuid,
)

LEVELS = st.integers(0, 255)


def test_the_bytes_mean_what_the_product_says() -> None:
    raw = bytes((4, 0, 0, 0, 0, 0, 0x15, 0xD3))
    assert decode_tcb(raw, Product.MILAN) == Tcb(None, 4, 0, 21, 211)
    assert decode_tcb(raw, Product.GENOA) == Tcb(None, 4, 0, 21, 211)
    turin = bytes((0x55, 0x44, 0x33, 0x22, 0, 0, 0, 0x11))
    assert decode_tcb(turin, Product.TURIN) == Tcb(0x55, 0x44, 0x33, 0x22, 0x11)


@given(bootloader=LEVELS, tee=LEVELS, snp=LEVELS, microcode=LEVELS, fmc=LEVELS)
def test_encoding_is_the_inverse(
    bootloader: int, tee: int, snp: int, microcode: int, fmc: int
) -> None:
    for product in Product:
        tcb = Tcb(fmc if product is Product.TURIN else None, bootloader, tee, snp, microcode)
        assert decode_tcb(encode_tcb(tcb, product), product) == tcb


@pytest.mark.parametrize("product", list(Product))
def test_encoding_refuses_a_tcb_of_another_product(product: Product) -> None:
    tcb = Tcb(None if product is Product.TURIN else 1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"is not a TCB of {product}"):
        encode_tcb(tcb, product)


@pytest.mark.parametrize(
    ("product", "position"),
    [(Product.MILAN, p) for p in (2, 3, 4, 5)]
    + [(Product.GENOA, p) for p in (2, 3, 4, 5)]
    + [(Product.TURIN, p) for p in (4, 5, 6)],
)
def test_a_reserved_byte_is_zero(product: Product, position: int) -> None:
    raw = bytearray(8)
    raw[position] = 9
    what = f"TCB_VERSION of {product}, reserved byte {position}"
    with rejects(ParseError, what, expected="0", got="9"):
        decode_tcb(bytes(raw), product)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_tcb_is_eight_bytes(size: int) -> None:
    with rejects(ParseError, "TCB_VERSION", expected="8 bytes", got=f"{size} bytes"):
        decode_tcb(bytes(size), Product.MILAN)


def test_the_text_names_every_component() -> None:
    assert str(Tcb(None, 4, 0, 24, 219)) == "bl4 tee0 snp24 uc219"
    assert str(Tcb(1, 1, 1, 4, 81)) == "fmc1 bl1 tee1 snp4 uc81"
    names = [name for name, _ in Tcb(1, 2, 3, 4, 5).components()]
    assert names == ["fmc", "bl", "tee", "snp", "uc"]
    assert dict(Tcb(None, 2, 3, 4, 5).components()) == {"bl": 2, "tee": 3, "snp": 4, "uc": 5}


def test_tcbs_compare_component_by_component() -> None:
    # As one integer the first is larger: microcode is the most significant byte.
    mine, floor = Tcb(None, 3, 0, 24, 219), Tcb(None, 4, 0, 24, 115)
    assert encode_tcb(mine, Product.MILAN)[::-1] > encode_tcb(floor, Product.MILAN)[::-1]
    assert mine.below(floor) == ("bl",)
    assert floor.below(mine) == ("uc",)
    assert mine.below(mine) == ()
    assert Tcb(1, 2, 3, 4, 5).below(Tcb(2, 2, 4, 4, 6)) == ("fmc", "tee", "uc")


def test_tcbs_of_different_products_do_not_compare() -> None:
    with pytest.raises(ValueError, match="different products"):
        Tcb(None, 1, 1, 1, 1).below(Tcb(0, 1, 1, 1, 1))


def test_firmware_is_ordered_by_major_minor_build() -> None:
    assert Firmware(1, 55, 31) < Firmware(1, 56, 0) < Firmware(2, 0, 0)
    assert Firmware(1, 55, 9) < Firmware(1, 55, 29)
    assert str(Firmware(1, 55, 29)) == "1.55.29"


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0x20, None),
        (0x19, 0x9F, None),
        (0x19, 0xA0, Product.GENOA),
        (0x19, 0xAF, Product.GENOA),
        (0x19, 0xB0, None),
        (0x1A, 0x02, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),
        (0x1A, 0x12, None),
        (0x00, 0x00, None),
    ],
)
def test_bounds_of_the_models_are_inclusive(
    family: int, model: int, product: Product | None
) -> None:
    assert product_of_cpuid(family, model) is product
