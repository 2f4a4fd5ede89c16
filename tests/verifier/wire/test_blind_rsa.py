"""Blind signatures: the vectors of RFC 9474 with a salt, round trips, and a signer that cheats."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import issuer
from verifier.errors import ParseError, VerificationError
from verifier.wire.blind_rsa import SALT_SIZE, RsaKey, blind, finalize, verify_signature
from verifier.wire.blind_signing import blind_sign, signer_key

SIGNER = signer_key(
    prime_p=int.from_bytes(vectors.BLIND_PRIME_P, "big"),
    prime_q=int.from_bytes(vectors.BLIND_PRIME_Q, "big"),
    exponent=65_537,
)
FACTOR = pow(int.from_bytes(vectors.BLIND_INVERSE, "big"), -1, SIGNER.public.modulus)
VECTORS = [
    (
        vectors.BLIND_MESSAGE,
        vectors.DETERMINISTIC_BLINDED,
        vectors.DETERMINISTIC_BLIND_SIGNATURE,
        vectors.DETERMINISTIC_SIGNATURE,
    ),
    (
        vectors.RANDOMIZED_PREFIX + vectors.BLIND_MESSAGE,
        vectors.RANDOMIZED_BLINDED,
        vectors.RANDOMIZED_BLIND_SIGNATURE,
        vectors.RANDOMIZED_SIGNATURE,
    ),
]


@pytest.mark.parametrize(("message", "blinded", "blind_signature", "signature"), VECTORS)
def test_the_vectors_of_the_standard(
    message: bytes, blinded: bytes, blind_signature: bytes, signature: bytes
) -> None:
    made, secret = blind(SIGNER.public, message, factor=FACTOR, salt=vectors.BLIND_SALT)
    assert made == blinded
    for factor in (1, 2, FACTOR):
        assert blind_sign(SIGNER, blinded, factor=factor) == blind_signature
    assert finalize(secret, blind_signature) == signature


@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=200), st.data())
def test_a_signature_is_one_that_others_verify(message: bytes, data: st.DataObject) -> None:
    signer, _ = issuer()
    modulus = signer.public.modulus
    factors = st.integers(2, modulus - 2)
    salt = data.draw(st.binary(min_size=SALT_SIZE, max_size=SALT_SIZE))
    blinded, secret = blind(signer.public, message, factor=data.draw(factors), salt=salt)
    answer = blind_sign(signer, blinded, factor=data.draw(factors))
    signature = finalize(secret, answer)
    public = rsa.RSAPublicNumbers(65_537, modulus).public_key()
    pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=SALT_SIZE)
    public.verify(signature, message, pss, SHA384())
    assert signature not in (blinded, answer)


@pytest.mark.parametrize("bits", [1032, 1033, 1039, 1040])
def test_every_length_of_a_modulus_is_encoded(bits: int) -> None:
    # EMSA-PSS has one byte less than the modulus where bits - 1 is a multiple of 8.
    numbers = None
    while numbers is None or numbers.public_numbers.n.bit_length() != bits:
        numbers = rsa.generate_private_key(65_537, bits).private_numbers()
    signer = signer_key(prime_p=numbers.p, prime_q=numbers.q, exponent=65_537)
    blinded, secret = blind(signer.public, b"message", factor=3, salt=bytes(SALT_SIZE))
    signature = finalize(secret, blind_sign(signer, blinded, factor=5))
    verify_signature(signer.public, b"message", signature, what="x")


def test_the_same_message_looks_different_each_time() -> None:
    blinded = {
        blind(SIGNER.public, b"message", factor=factor, salt=vectors.BLIND_SALT)[0]
        for factor in range(1, 10)
    }
    assert len(blinded) == 9


def test_a_signer_that_signs_anything_else_is_found_out() -> None:
    _, secret = blind(SIGNER.public, b"message", factor=FACTOR, salt=vectors.BLIND_SALT)
    expected, got = "a valid RSASSA-PSS signature", "one that does not verify"
    for wrong in (vectors.DETERMINISTIC_BLIND_SIGNATURE, bytes(512), b"\xff" * 512):
        with rejects(VerificationError, "blind signature", expected=expected, got=got):
            finalize(secret, wrong)


@pytest.mark.parametrize("size", [0, 511, 513])
def test_a_blind_signature_has_the_size_of_the_modulus(size: int) -> None:
    _, secret = blind(SIGNER.public, b"message", factor=FACTOR, salt=vectors.BLIND_SALT)
    with rejects(ParseError, "blind signature", expected="^512 bytes$", got=f"^{size}$"):
        finalize(secret, bytes(size))


def test_a_modulus_with_a_divisor_that_is_found_is_refused() -> None:
    key = RsaKey(3 * SIGNER.public.modulus, 65_537)
    expected = "a product of two large primes"
    with rejects(
        VerificationError, "modulus of the signer's key", expected=expected, got="another"
    ):
        blind(key, b"message", factor=3, salt=bytes(SALT_SIZE))


def test_what_is_blinded_must_be_a_number_below_the_modulus() -> None:
    modulus = SIGNER.public.modulus
    for size in (0, 511, 513):
        with rejects(ParseError, "blinded message", expected="^512 bytes$", got=f"^{size}$"):
            blind_sign(SIGNER, bytes(size), factor=1)
    for number in (modulus, 2**4096 - 1):
        with rejects(ParseError, "blinded message", expected="below the modulus", got="larger"):
            blind_sign(SIGNER, number.to_bytes(512, "big"), factor=1)


def test_a_wrong_result_is_never_given_out() -> None:
    wrong = signer_key(
        prime_p=SIGNER.prime_p, prime_q=SIGNER.prime_q + 4, exponent=SIGNER.public.exponent
    )
    with pytest.raises(AssertionError, match="does not fit its public half"):
        blind_sign(wrong, bytes(511) + b"\x02", factor=1)  # any other may share a divisor


def test_wrong_callers_are_told() -> None:
    modulus = SIGNER.public.modulus
    for factor, salt in ((0, SALT_SIZE), (modulus, SALT_SIZE), (1, 0), (1, 47)):
        with pytest.raises(ValueError, match="a factor in 1 to n - 1 and a salt of 48 bytes"):
            blind(SIGNER.public, b"", factor=factor, salt=bytes(salt))
    for factor in (0, modulus):
        with pytest.raises(ValueError, match="a factor in 1 to n - 1"):
            blind_sign(SIGNER, bytes(512), factor=factor)
    with pytest.raises(ValueError, match="not invertible"):
        signer_key(prime_p=7, prime_q=11, exponent=3)


def test_no_secret_is_shown() -> None:
    _, secret = blind(SIGNER.public, b"message", factor=FACTOR, salt=vectors.BLIND_SALT)
    shown = repr((SIGNER, secret))
    for hidden in (SIGNER.prime_p, SIGNER.prime_q, SIGNER.exponent_p, secret.inverse):
        assert str(hidden) not in shown
    assert str(SIGNER.public.modulus) in shown
