from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic_hcl import NONCE, PCRS, modulus, quote, sign, vtpm_key
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.evidence.tpm_quote import (
    SignedTpmQuote,
    TpmQuote,
    parse_pcrs,
    parse_tpm_quote,
    verify_tpm_quote,
)

GOOD = quote()
KEY = modulus(vtpm_key())


def test_a_quote_is_read() -> None:
    read = parse_tpm_quote(GOOD)
    assert read == TpmQuote(
        raw=GOOD,
        qualified_signer=b"\x00\x0b" + bytes(32),
        extra=NONCE,
        clock=1000,
        resets=2,
        restarts=3,
        safe=True,
        firmware_version=4,
        pcrs=tuple(range(24)),
        pcr_digest=read.digest_of(PCRS),
    )


@pytest.mark.parametrize(
    ("select", "pcrs"),
    [(b"\x01\0\0", (0,)), (b"\0\0\x80", (23,)), (b"\x81\x80\x01", (0, 7, 15, 16))],
)
def test_the_selected_registers_are_named(select: bytes, pcrs: tuple[int, ...]) -> None:
    read = parse_tpm_quote(quote(select=select))
    assert read.pcrs == pcrs
    assert read.pcr_digest == read.digest_of(PCRS)
    assert read.pcr_digest != parse_tpm_quote(GOOD).pcr_digest


@pytest.mark.parametrize(
    ("changes", "what", "expected", "got"),
    [
        ({"magic": 0xFF544348}, "TPM quote, magic", "0xff544347", "0xff544348"),
        ({"signer": bytes(67)}, "TPM quote, qualifiedSigner", "at most 66 bytes", "67"),
        ({"extra": bytes(67)}, "TPM quote, extraData", "at most 66 bytes", "67"),
        ({"safe": 2}, "TPM quote, safe", "0 or 1", "2"),
        ({"banks": 0}, "TPM quote, pcrSelect", "one bank", "0"),
        ({"banks": 2}, "TPM quote, pcrSelect", "one bank", "2"),
        ({"select": b"\xff\xff"}, "TPM quote, pcrSelect", "3 bytes", "2 bytes"),
        ({"select": b"\xff\xff\xff\0"}, "TPM quote, pcrSelect", "3 bytes", "4 bytes"),
        ({"select": b"\0\0\0"}, "TPM quote, pcrSelect", "a register", "none"),
        ({"digest": b""}, "TPM quote, pcrDigest", "32 bytes", "0 bytes"),
        ({"digest": bytes(33)}, "TPM quote, pcrDigest", "at most 32 bytes", "33"),
        ({"tail": b"\0"}, "TPM quote", "its end", "1 more bytes"),
        ({"tail": bytes(1000)}, "TPM quote", "at most 1024 bytes", "1145 bytes"),
    ],
)
def test_a_malformed_quote_is_refused(
    changes: dict[str, Any], what: str, expected: str, got: str
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_tpm_quote(quote(**changes))
    error = caught.value
    assert (error.what, error.expected, error.got) == (what, expected, got)


@pytest.mark.parametrize(
    ("changes", "expected", "got"),
    [({"kind": 0x8017}, "0x8018", "0x8017"), ({"bank": 0x000C}, "SHA-256 (0xb)", "0xc")],
)
def test_another_attestation_or_bank_is_unsupported(
    changes: dict[str, Any], expected: str, got: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse_tpm_quote(quote(**changes))
    assert (caught.value.expected, caught.value.got) == (expected, got)


@pytest.mark.parametrize("size", range(len(GOOD)))
def test_a_cut_quote_is_refused(size: int) -> None:
    with pytest.raises(ParseError, match="more bytes"):
        parse_tpm_quote(GOOD[:size])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(AuditError):
        parse_tpm_quote(raw)


def test_the_attestation_key_verifies() -> None:
    read = parse_tpm_quote(GOOD)
    signed = verify_tpm_quote(read, signature=sign(GOOD), modulus=KEY)
    assert signed == SignedTpmQuote(read)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_every_byte_of_a_quote_counts(offset: int, flip: int) -> None:
    raw = bytearray(GOOD)
    raw[offset] ^= flip
    try:
        read = parse_tpm_quote(bytes(raw))
    except (ParseError, UnsupportedError):
        return
    with pytest.raises(VerificationError):
        verify_tpm_quote(read, signature=sign(GOOD), modulus=KEY)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(256),
        b"\xff" * 256,
        sign(GOOD)[:-1],
        sign(GOOD) + b"\0",
        sign(GOOD + b"\0"),
        sign(GOOD, vtpm_key(1)),
    ],
)
def test_another_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_tpm_quote(parse_tpm_quote(GOOD), signature=signature, modulus=KEY)
    error = caught.value
    assert (error.what, error.got) == ("TPM quote", "not one")
    assert error.expected == "a signature by the attestation key of the runtime data"


def test_registers_are_read() -> None:
    assert parse_pcrs(b"".join(PCRS)) == PCRS
    for size in (0, 767, 769):
        with pytest.raises(ParseError) as caught:
            parse_pcrs(bytes(size))
        assert caught.value.expected == "24 values of 32 bytes"
        assert caught.value.got == f"{size} bytes"
