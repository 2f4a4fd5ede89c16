"""The key of an issuer: the key of RFC 9578, and every other spelling refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import issuer
from verifier.errors import ParseError
from verifier.wire.token_key import (
    EXPONENT,
    TOKEN_KEY_SIZE,
    encode_token_key,
    parse_token_key,
)

RAW = vectors.TOKEN_KEY


def test_the_key_of_the_standard() -> None:
    key = parse_token_key(RAW)
    assert key.raw == RAW
    assert key.key_id == vectors.CHALLENGE_KEY_ID
    assert key.truncated_key_id == vectors.TOKEN_REQUEST[2]
    assert encode_token_key(key.rsa.modulus) == RAW


def test_others_read_the_same_key() -> None:
    _, key = issuer()
    public = load_der_public_key(key.raw)
    assert isinstance(public, rsa.RSAPublicKey)
    assert (public.public_numbers().n, public.public_numbers().e) == (key.rsa.modulus, EXPONENT)


@pytest.mark.parametrize("size", [0, TOKEN_KEY_SIZE - 1, TOKEN_KEY_SIZE + 1])
def test_another_size_is_refused(size: int) -> None:
    with rejects(ParseError, "token key", expected=f"^{TOKEN_KEY_SIZE} bytes$", got=f"^{size}$"):
        parse_token_key((RAW + b"\x00")[:size] if size else b"")


@pytest.mark.parametrize("place", [*range(81), *range(TOKEN_KEY_SIZE - 5, TOKEN_KEY_SIZE)])
def test_every_fixed_byte_is_looked_at(place: int) -> None:
    changed = bytearray(RAW)
    changed[place] ^= 1
    expected = "RSASSA-PSS with SHA-384 and exponent 65537"
    with rejects(ParseError, "token key", expected=expected, got="another one"):
        parse_token_key(bytes(changed))


def test_a_modulus_is_odd_and_of_2048_bits() -> None:
    short, even = bytearray(RAW), bytearray(RAW)
    short[81], even[-6] = 0x7F, even[-6] & 0xFE
    expected = "an odd modulus of 2048 bits"
    with rejects(ParseError, "token key", expected=expected, got="an odd one of 2047 bits"):
        parse_token_key(bytes(short))
    with rejects(ParseError, "token key", expected=expected, got="an even one of 2048 bits"):
        parse_token_key(bytes(even))
    for modulus in (0, 2**2047, 2**2047 - 1, 2**2048 + 1):
        with pytest.raises(ValueError, match="not an odd modulus of 2048 bits"):
            encode_token_key(modulus)
