"""Tokens: the vector of RFC 9578 from request to redemption, and what is not a token."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import challenge, issuer, token, token_key
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.wire.blind_signing import blind_sign
from verifier.wire.token import (
    TOKEN_SIZE,
    encode_authorization,
    parse_authorization,
    parse_token,
    token_input,
    verify_token,
)
from verifier.wire.token_challenge import parse_token_challenge
from verifier.wire.token_issuance import parse_token_request
from verifier.wire.token_request import finish_token, request_token

CHALLENGE = parse_token_challenge(vectors.TOKEN_CHALLENGE)
FIELD = encode_authorization(token())


def test_the_vector_of_the_standard() -> None:
    request, pending = request_token(
        CHALLENGE,
        token_key(),
        nonce=vectors.TOKEN_NONCE,
        factor=int.from_bytes(vectors.TOKEN_BLIND, "big"),
        salt=vectors.TOKEN_SALT,
    )
    assert request == vectors.TOKEN_REQUEST
    made = finish_token(pending, vectors.TOKEN_RESPONSE)
    assert made.raw == vectors.TOKEN_WHOLE
    assert made.nonce == vectors.TOKEN_NONCE
    assert verify_token(made, keys=(token_key(),), challenge=CHALLENGE).token == made
    # The issuer's part without its private half: the answer is the one root of the request.
    key = token_key().rsa
    root = pow(int.from_bytes(vectors.TOKEN_RESPONSE, "big"), key.exponent, key.modulus)
    assert root.to_bytes(256, "big") == parse_token_request(vectors.TOKEN_REQUEST).blinded_message


def test_the_inputs_of_the_standard() -> None:
    made = token_input(nonce=vectors.CHALLENGE_NONCE, challenge=CHALLENGE, key=token_key())
    whole = b"\x00\x02" + vectors.CHALLENGE_NONCE + CHALLENGE.digest + vectors.CHALLENGE_KEY_ID
    assert made == whole


def test_a_token_goes_all_the_way() -> None:
    signer, key = issuer()
    factors = [1 + secrets.randbelow(key.rsa.modulus - 1) for _ in range(2)]
    request, pending = request_token(
        challenge(), key, nonce=bytes(32), factor=factors[0], salt=secrets.token_bytes(48)
    )
    asked = parse_token_request(request)
    assert asked.truncated_key_id == key.truncated_key_id
    made = finish_token(pending, blind_sign(signer, asked.blinded_message, factor=factors[1]))
    read = parse_authorization(encode_authorization(made))
    assert verify_token(read, keys=(token_key(), key), challenge=challenge()).token == made


def test_an_issuer_that_answers_wrongly_gives_no_token() -> None:
    request, pending = request_token(
        CHALLENGE, token_key(), nonce=bytes(32), factor=2, salt=bytes(48)
    )
    with rejects(
        VerificationError, "blind signature", expected="a valid RSASSA-PSS", got="not verify"
    ):
        finish_token(pending, vectors.TOKEN_RESPONSE)
    with rejects(ParseError, "token response", expected="^256 bytes$", got="^259$"):
        finish_token(pending, request)


def test_a_token_is_for_its_challenge_and_its_key() -> None:
    expected, got = challenge().digest.hex(), CHALLENGE.digest.hex()
    with rejects(VerificationError, "challenge of the token", expected=expected, got=got):
        verify_token(token(), keys=(token_key(),), challenge=challenge())
    _, other = issuer()
    expected, got = other.key_id.hex(), token_key().key_id.hex()
    with rejects(VerificationError, "key of the token", expected=expected, got=got):
        verify_token(token(), keys=(other,), challenge=CHALLENGE)
    with rejects(VerificationError, "key of the token", expected="^$", got=got):
        verify_token(token(), keys=(), challenge=CHALLENGE)


@given(st.one_of(st.integers(2, 33), st.integers(98, TOKEN_SIZE - 1)), st.integers(0, 7))
def test_a_changed_token_is_refused(place: int, bit: int) -> None:
    changed = bytearray(vectors.TOKEN_WHOLE)
    changed[place] ^= 1 << bit
    what = "authenticator of the token"
    with rejects(VerificationError, what, expected="a valid RSASSA-PSS", got="does not verify"):
        verify_token(parse_token(bytes(changed)), keys=(token_key(),), challenge=CHALLENGE)


@pytest.mark.parametrize("size", [0, 1, 2, TOKEN_SIZE - 1])
def test_a_cut_token_is_refused(size: int) -> None:
    with rejects(ParseError, "token", expected=f"^{TOKEN_SIZE} bytes$", got=f"^{size}$"):
        parse_token(vectors.TOKEN_WHOLE[:size])


def test_another_token_is_refused() -> None:
    with rejects(ParseError, "token", expected=f"^{TOKEN_SIZE} bytes$", got="^355$"):
        parse_token(vectors.TOKEN_WHOLE + b"\x00")
    with rejects(UnsupportedError, "type of the token", expected="^0x0002$", got="^0x0001$"):
        parse_token(b"\x00\x01" + vectors.TOKEN_WHOLE[2:])


@pytest.mark.parametrize(
    "field",
    [
        FIELD,
        FIELD.replace("PrivateToken", "privatetoken"),
        FIELD + ", other=x",
        FIELD.replace("token=", "Token = "),
    ],
)
def test_the_field_is_read(field: str) -> None:
    assert parse_authorization(field) == token()


@pytest.mark.parametrize(
    ("field", "error", "what", "expected", "got"),
    [
        ("Basic YQ==", UnsupportedError, "scheme of Authorization", "PrivateToken", "basic"),
        ("PrivateToken", ParseError, "token of Authorization", "the parameter", "missing"),
        ("PrivateToken YQ==", ParseError, "token of Authorization", "the parameter", "missing"),
        (f"{FIELD}, {FIELD}", ParseError, "Authorization", "one scheme", "2"),
        (FIELD + ', token="x"', ParseError, "Authorization", "each parameter once", "token"),
        ('PrivateToken token="AA+="', ParseError, "token of Authorization", "base64url", r"\+"),
        ('PrivateToken token="AAI="', ParseError, "token", "354 bytes", "^2$"),
    ],
)
def test_another_field_is_refused(
    field: str, error: type[ParseError], what: str, expected: str, got: str
) -> None:
    with rejects(error, what, expected=expected, got=got):
        parse_authorization(field)


def test_a_token_without_padding_needs_no_quotes() -> None:
    encoded = base64.urlsafe_b64encode(vectors.TOKEN_WHOLE).decode()
    assert not encoded.endswith("=")
    assert parse_authorization(f"PrivateToken token={encoded}") == token()


def test_a_token_is_not_shown_by_chance() -> None:
    """Whoever reads it in a log can spend it, or find out whose it was."""
    for secret in (token().raw, token().nonce, token().authenticator):
        assert repr(secret)[2:40] not in repr(token())
    _, pending = request_token(
        challenge(), token_key(), nonce=b"\x5a" * 32, factor=3, salt=bytes(48)
    )
    assert "ZZZZ" not in repr(pending)


def test_wrong_callers_are_told() -> None:
    with pytest.raises(ValueError, match="a nonce of 31 bytes; 32 are needed"):
        token_input(nonce=bytes(31), challenge=CHALLENGE, key=token_key())
