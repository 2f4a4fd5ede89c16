"""Anonymous tokens, got before they are needed: the issuer learns who asks, not when or for what.

Each token is for one tunnel. They are spent in a random order, so that it is not the one in which
they were asked for. Source: RFC 9578 section 6; docs/spec/private-path.md, "Tokens".
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

from verifier.client.deadline import Deadline
from verifier.client.http import Answer
from verifier.client.web import Url, ask, parse_url
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.wire.blind_rsa import SALT_SIZE
from verifier.wire.token import NONCE_SIZE, Token
from verifier.wire.token_challenge import TokenChallenge
from verifier.wire.token_issuance import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    MAX_DIRECTORY,
    REQUEST_MEDIA_TYPE,
    RESPONSE_MEDIA_TYPE,
    parse_directory,
)
from verifier.wire.token_key import TokenKey
from verifier.wire.token_request import finish_token, request_token

__all__ = ["MAX_PREFETCH", "Tokens"]

MAX_PREFETCH = 64
"""Most tokens that are kept."""

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,256}=*")  # RFC 6750 section 2.1
_MAX_ANSWER = 4096  # bytes; a token response has 256, a problem document more
_OK = 200


class Tokens:
    """Tokens of the issuer at ``issuer`` for ``challenge``; ``account`` is a bearer secret.

    ``prefetch``: how many are asked for when there is none, 1 to 64. ValueError for another number,
    and for a secret that no Authorization field can carry.
    """

    def __init__(
        self, issuer: Url, *, account: str, challenge: TokenChallenge, prefetch: int
    ) -> None:
        if not 1 <= prefetch <= MAX_PREFETCH:
            message = f"prefetch is 1 to {MAX_PREFETCH}, not {prefetch}"
            raise ValueError(message)
        if _BEARER.fullmatch(account) is None:
            message = "not the bearer secret of an account"
            raise ValueError(message)
        self._issuer = issuer
        self._account = account
        self._challenge = challenge
        self._prefetch = prefetch
        self._requests: Url | None = None  # where tokens are asked for
        self._key: TokenKey | None = None
        self._tokens: list[Token] = []

    def take(self, key: TokenKey, *, deadline: Deadline) -> Token:
        """A token that ``key`` signed and nobody has, asked for now if there is none.

        ``key`` is the logged one. Raises FetchError, ParseError, and VerificationError for an
        issuer that has another key or signs wrongly.
        """
        if key != self._key:
            self._tokens, self._key, self._requests = [], key, None
        if not self._tokens:
            requests = self._requests or self._directory(key, deadline)
            self._requests = requests
            for _ in range(self._prefetch):
                self._tokens.append(self._asked(requests, key, deadline))
        return self._tokens.pop(secrets.randbelow(len(self._tokens)))

    def _directory(self, key: TokenKey, deadline: Deadline) -> Url:
        url = self._issuer.at(DIRECTORY_PATH)
        answer = ask(url, None, limit=MAX_DIRECTORY, deadline=deadline)
        directory = parse_directory(_content(answer, url, DIRECTORY_MEDIA_TYPE))
        if all(offered.key != key for offered in directory.keys):
            got = ", ".join(offered.key.key_id.hex() for offered in directory.keys)
            what = "keys of the issuer"
            raise VerificationError(what, expected=key.key_id.hex(), got=got)
        source = self._issuer.source
        if directory.request_uri.startswith("/"):
            here = parse_url(f"{self._issuer.at('')}{directory.request_uri}", what="issuer")
            return replace(here, source=source)
        named = replace(parse_url(directory.request_uri, what="issuer-request-uri"), source=source)
        if (named.scheme, named.authority) != (self._issuer.scheme, self._issuer.authority):
            # The account's secret goes to the issuer that the user named, and to nobody else.
            expected = f"a place at {self._issuer.authority}"
            raise ParseError("issuer-request-uri", expected=expected, got=named.authority)
        return named

    def _asked(self, url: Url, key: TokenKey, deadline: Deadline) -> Token:
        request, pending = request_token(
            self._challenge,
            key,
            nonce=secrets.token_bytes(NONCE_SIZE),
            factor=1 + secrets.randbelow(key.rsa.modulus - 1),
            salt=secrets.token_bytes(SALT_SIZE),
        )
        answer = ask(
            url,
            request,
            media_type=REQUEST_MEDIA_TYPE,
            authorization=f"Bearer {self._account}",
            limit=_MAX_ANSWER,
            deadline=deadline,
        )
        return finish_token(pending, _content(answer, url, RESPONSE_MEDIA_TYPE))


def _content(answer: Answer, url: Url, media_type: str) -> bytes:
    if (answer.status, answer.media_type) != (_OK, media_type):
        got = f"status {answer.status} with {answer.media_type[:60]!r}"
        raise FetchError(str(url), expected=f"200 with {media_type}", got=got)
    return answer.content
