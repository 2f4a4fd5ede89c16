"""Issuance of tokens of type 0x0002: a blind signature for whoever has an account.

The blinded message is random to the issuer. It is signed and forgotten. Source: RFC 9578 section 6.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.issuer.accounts import AccountCheck
from pipeline.role.counts import Counts
from pipeline.role.exchange import Asked, Route
from pipeline.role.problem import Answer, RefusalError
from pipeline.role.secret_file import read_secret
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.wire.blind_signing import SignerKey, blind_sign, signer_key
from verifier.wire.token_issuance import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    REQUEST_MEDIA_TYPE,
    RESPONSE_MEDIA_TYPE,
    TOKEN_REQUEST_SIZE,
    DirectoryKey,
    IssuerDirectory,
    encode_directory,
    parse_token_request,
)
from verifier.wire.token_key import EXPONENT, TokenKey, encode_token_key, parse_token_key

__all__ = ["COUNTED", "KEY_FILE", "REQUEST_PATH", "Issuing", "read_signer_key"]

COUNTED = ("accounts_refused", "requests_malformed", "tokens")
"""What an issuer counts besides what every role does."""

KEY_FILE = "token-key.pem"
"""Name of the private key in the issuer's folder."""

REQUEST_PATH = "/token-request"

_MAX_KEY_FILE = 8192


def read_signer_key(folder: Path) -> SignerKey:
    """The private key in ``folder``, PKCS #8 in PEM. Raises PolicyError, and OSError."""
    path = folder / KEY_FILE
    raw = read_secret(path, limit=_MAX_KEY_FILE)
    expected = f"an RSA key for tokens, of 2048 bits, with the exponent {EXPONENT}, no password"
    try:
        key = load_pem_private_key(raw, password=None)
        if not isinstance(key, RSAPrivateKey):
            raise PolicyError(str(path), expected=expected, got="a key of another kind")
        numbers = key.private_numbers()
        if numbers.public_numbers.e != EXPONENT:
            raise PolicyError(str(path), expected=expected, got="a key with another exponent")
        encode_token_key(numbers.public_numbers.n)
        return signer_key(prime_p=numbers.p, prime_q=numbers.q, exponent=EXPONENT)
    except (TypeError, UnsupportedAlgorithm, ValueError):  # TypeError: it has a password
        raise PolicyError(str(path), expected=expected, got="something else") from None


class Issuing:
    """Signs with ``key`` what those who pass ``accounts`` have blinded."""

    def __init__(self, key: SignerKey, accounts: AccountCheck, counts: Counts) -> None:
        self._key = key
        self._public: TokenKey = parse_token_key(encode_token_key(key.public.modulus))
        self._accounts = accounts
        self._counts = counts
        directory = IssuerDirectory(REQUEST_PATH, (DirectoryKey(self._public, 0),))
        self._directory = Answer(HTTPStatus.OK, DIRECTORY_MEDIA_TYPE, encode_directory(directory))

    def routes(self) -> tuple[Route, ...]:
        """Where tokens are asked for, and where the issuer says so (RFC 9578 section 4)."""
        return (
            Route(
                method="POST",
                path=REQUEST_PATH,
                media_type=REQUEST_MEDIA_TYPE,
                limit=TOKEN_REQUEST_SIZE,
                answer=self.issue,
                takes_authorization=True,
            ),
            Route(
                method="GET",
                path=DIRECTORY_PATH,
                media_type="",
                limit=0,
                answer=lambda _: self._directory,
            ),
        )

    def issue(self, asked: Asked) -> Answer:
        """A blind signature. Raises RefusalError; a malformed request costs its account nothing."""
        try:
            request = parse_token_request(asked.body)
        except (ParseError, UnsupportedError) as error:
            raise self._malformed(error.what, error.expected, error.got) from None
        known = self._public.truncated_key_id
        if request.truncated_key_id != known:
            got = f"{request.truncated_key_id:#04x}"
            raise self._malformed("key of the token request", f"{known:#04x}", got)
        if int.from_bytes(request.blinded_message, "big") >= self._key.public.modulus:
            raise self._malformed("blinded message", "a number below the modulus", "a larger one")
        try:
            self._accounts.take(asked.authorization)
        except RefusalError:
            self._counts.add("accounts_refused")
            raise
        factor = 1 + secrets.randbelow(self._key.public.modulus - 1)
        signature = blind_sign(self._key, request.blinded_message, factor=factor)
        self._counts.add("tokens")
        return Answer(HTTPStatus.OK, RESPONSE_MEDIA_TYPE, signature)

    def _malformed(self, what: str, expected: str, got: str) -> RefusalError:
        self._counts.add("requests_malformed")
        status = HTTPStatus.UNPROCESSABLE_ENTITY  # RFC 9578 section 6.2
        return RefusalError(status, "token-request", what, expected=expected, got=got)
