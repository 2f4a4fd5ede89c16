"""Well-formed things of the private path, for tests that then break them."""

from __future__ import annotations

import functools

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.verifier.wire import path_vectors as vectors
from verifier.wire.blind_signing import SignerKey, signer_key
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document
from verifier.wire.ohttp_keys import encode_ohttp_keys, parse_ohttp_key
from verifier.wire.token import Token, encode_authorization, parse_token
from verifier.wire.token_challenge import (
    OfferedChallenge,
    TokenChallenge,
    encode_offered_challenge,
    encode_token_challenge,
    parse_token_challenge,
)
from verifier.wire.token_issuance import DirectoryKey, IssuerDirectory, encode_directory
from verifier.wire.token_key import TokenKey, encode_token_key, parse_token_key
from verifier.wire.tunnel import (
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    TunnelRequest,
    encode_tunnel_request,
)
from verifier.wire.tunnel_answer import (
    TunnelAnswer,
    TunnelClosed,
    TunnelProblem,
    TunnelReply,
    encode_tunnel_answer,
)

AUTHORITY = "gateway.test"
TUNNEL = bytes(range(16))


@functools.cache
def issuer() -> tuple[SignerKey, TokenKey]:
    """An issuer's key, made once a run."""
    numbers = rsa.generate_private_key(65_537, 2048).private_numbers()
    key = signer_key(prime_p=numbers.p, prime_q=numbers.q, exponent=65_537)
    return key, parse_token_key(encode_token_key(key.public.modulus))


def challenge() -> TokenChallenge:
    return encode_token_challenge(
        issuer_name="issuer.test:8443", context=b"", origins=(AUTHORITY, "other.test")
    )


def token() -> Token:
    return parse_token(vectors.TOKEN_WHOLE)


def token_key() -> TokenKey:
    return parse_token_key(vectors.TOKEN_KEY)


def opening() -> OpenTunnel:
    return OpenTunnel(AUTHORITY, token(), b"\x16\x03\x01 hello")


def continuing() -> ContinueTunnel:
    return ContinueTunnel(AUTHORITY, TUNNEL, 7, b"\x17\x03\x03 more")


def problem() -> TunnelProblem:
    return TunnelProblem(
        status=401,
        what="token",
        expected="one that is not spent",
        got="one that is",
        challenge=encode_offered_challenge(OfferedChallenge(challenge(), token_key(), 10)),
    )


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """One well-formed input, or some, for each parser of the private path."""
    key = parse_ohttp_key(vectors.OHTTP_KEY)
    offered = OfferedChallenge(parse_token_challenge(vectors.OFFERED), token_key(), None)
    directory = IssuerDirectory("/v1/token", (DirectoryKey(token_key(), 5),))
    requests: tuple[TunnelRequest, ...] = (opening(), continuing(), CloseTunnel(AUTHORITY, TUNNEL))
    answers: tuple[TunnelReply, ...] = (
        TunnelAnswer(TUNNEL, b"\x16\x03\x03"),
        TunnelClosed(),
        problem(),
    )
    return (
        vectors.BHTTP_REQUEST,
        vectors.BHTTP_INDETERMINATE_REQUEST,
        vectors.BHTTP_RESPONSE,
        vectors.BHTTP_TRAILING_RESPONSE,
        vectors.OHTTP_KEY,
        encode_ohttp_keys((key,)),
        vectors.TOKEN_KEY,
        vectors.TOKEN_REQUEST,
        vectors.TOKEN_RESPONSE,
        vectors.TOKEN_WHOLE,
        vectors.OFFERED,
        encode_offered_challenge(offered).encode(),
        encode_authorization(token()).encode(),
        encode_directory(directory),
        encode_key_document((LoggedConfiguration(b"{}", b"proof"),)),
        *map(encode_tunnel_request, requests),
        *map(encode_tunnel_answer, answers),
    )
