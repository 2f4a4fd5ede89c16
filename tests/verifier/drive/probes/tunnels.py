"""A gateway's key, tokens of an issuer, and exchanges sealed as client and gateway seal them."""

from __future__ import annotations

import functools
import secrets

from cryptography.hazmat.primitives.asymmetric import rsa

from verifier.wire.blind_signing import SignerKey, blind_sign, signer_key
from verifier.wire.ohttp import encapsulate_request, gateway_key, open_request
from verifier.wire.ohttp_keys import Suite
from verifier.wire.token import Token
from verifier.wire.token_challenge import TokenChallenge, encode_token_challenge
from verifier.wire.token_issuance import parse_token_request
from verifier.wire.token_key import TokenKey, encode_token_key, parse_token_key
from verifier.wire.token_request import finish_token, request_token
from verifier.wire.tunnel import TunnelRequest, encode_tunnel_request
from verifier.wire.tunnel_answer import TunnelReply, encode_tunnel_answer

AUTHORITY = "gateway.example"
TUNNEL = b"\x2a" * 16
KEY = gateway_key(key_id=7, secret=b"\x07" * 32, suites=(Suite(1, 1),))


def opened_by_gateway(request: TunnelRequest, reply: TunnelReply) -> tuple[bytes, bytes]:
    """The sealed request, and the sealed answer to it."""
    raw = encode_tunnel_request(request)
    sealed, _ = encapsulate_request(KEY.public, raw, ephemeral=secrets.token_bytes(32))
    _, sealer = open_request((KEY,), sealed)
    nonce = secrets.token_bytes(sealer.nonce_size())
    return sealed, sealer.seal_response(encode_tunnel_answer(reply), nonce=nonce)


@functools.cache
def issuer(number: int = 0) -> tuple[SignerKey, TokenKey]:
    """An issuer's key, another one for each number."""
    del number
    numbers = rsa.generate_private_key(65_537, 2048).private_numbers()
    key = parse_token_key(encode_token_key(numbers.public_numbers.n))
    return signer_key(prime_p=numbers.p, prime_q=numbers.q, exponent=65_537), key


def challenge(name: str = AUTHORITY) -> TokenChallenge:
    return encode_token_challenge(issuer_name="issuer.example", context=b"", origins=(name,))


def issued(number: int = 0, name: str = AUTHORITY) -> tuple[Token, bytes, bytes]:
    """A token, and what its issuer was asked and answered."""
    signer, key = issuer(number)
    request, pending = request_token(
        challenge(name),
        key,
        nonce=secrets.token_bytes(32),
        factor=1 + secrets.randbelow(key.rsa.modulus - 1),
        salt=secrets.token_bytes(48),
    )
    blinded = parse_token_request(request).blinded_message
    answer = blind_sign(signer, blinded, factor=1 + secrets.randbelow(key.rsa.modulus - 1))
    return finish_token(pending, answer), request, answer


@functools.cache
def token() -> Token:
    return issued()[0]
