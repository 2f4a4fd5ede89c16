"""An issuer that signs with a key for each account but the first, so that a token says whose it is.

Its directory still names the one key that everybody is given.
"""

from __future__ import annotations

import functools
import secrets

from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.issuer import cli
from pipeline.issuer.issuing import Issuing
from pipeline.role.exchange import Asked
from pipeline.role.problem import Answer
from verifier.wire.blind_signing import SignerKey, blind_sign, signer_key
from verifier.wire.token_issuance import parse_token_request
from verifier.wire.token_key import EXPONENT, MODULUS_SIZE

__all__ = ["corrupt"]


@functools.cache
def key_of(_account: str) -> SignerKey:
    """The key for one account alone."""
    numbers = rsa.generate_private_key(EXPONENT, 8 * MODULUS_SIZE).private_numbers()
    return signer_key(prime_p=numbers.p, prime_q=numbers.q, exponent=EXPONENT)


class MarkingIssuing(Issuing):
    """Signs what the real one would, with another key for whoever is not the first that asks."""

    _first = ""

    def issue(self, asked: Asked) -> Answer:
        answer = super().issue(asked)
        self._first = self._first or asked.authorization
        if asked.authorization == self._first:
            return answer
        key = key_of(asked.authorization)
        blinded = int.from_bytes(parse_token_request(asked.body).blinded_message, "big")
        reduced = (blinded % key.public.modulus).to_bytes(MODULUS_SIZE, "big")
        factor = 1 + secrets.randbelow(key.public.modulus - 1)
        return Answer(answer.status, answer.media_type, blind_sign(key, reduced, factor=factor))


def corrupt() -> None:
    """Let the issuer of this process be the twin."""
    vars(cli)["Issuing"] = MarkingIssuing


if __name__ == "__main__":
    corrupt()
    cli.main()
