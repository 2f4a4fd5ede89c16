"""Our tokens against another implementation's client, issuer and origin.

The program is ``tests/interop/peers/token`` over the npm package ``@cloudflare/privacypass-ts``.
Its path comes from the environment, and without it the tests skip by name.
"""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager

from tests.interop.peer import Peer, speaking
from tests.interop.test_tessera import program
from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire.path_messages import challenge, issuer
from verifier.errors import VerificationError
from verifier.wire.blind_signing import blind_sign
from verifier.wire.token import (
    encode_authorization,
    parse_authorization,
    parse_token,
    verify_token,
)
from verifier.wire.token_challenge import (
    CONTEXT_SIZE,
    OfferedChallenge,
    encode_offered_challenge,
    encode_token_challenge,
    parse_offered_challenges,
)
from verifier.wire.token_issuance import parse_token_request
from verifier.wire.token_key import TokenKey
from verifier.wire.token_request import finish_token, request_token


def peer(role: str) -> AbstractContextManager[Peer]:
    return speaking("node", program("CVM_AUDIT_TOKEN_PEER"), role)


def factor(key: TokenKey) -> int:
    return 1 + secrets.randbelow(key.rsa.modulus - 1)


def test_their_client_and_our_issuer() -> None:
    program("CVM_AUDIT_TOKEN_PEER")
    signer, key = issuer()
    with peer("client") as client:
        client.say(encode_offered_challenge(OfferedChallenge(challenge(), key, 10)))
        asked = parse_token_request(client.hear_bytes())
        assert asked.truncated_key_id == key.truncated_key_id
        client.say(blind_sign(signer, asked.blinded_message, factor=factor(key)).hex())
        token = parse_authorization(client.hear())
        assert verify_token(token, keys=(key,), challenge=challenge()).token == token
        other = encode_token_challenge(issuer_name="other.test", context=b"", origins=())
        expected, got = other.digest.hex(), challenge().digest.hex()
        with rejects(VerificationError, "challenge of the token", expected=expected, got=got):
            verify_token(token, keys=(key,), challenge=other)
        client.end()


def test_our_client_and_their_issuer() -> None:
    with peer("issuer") as theirs:
        (offered,) = parse_offered_challenges(theirs.hear())
        assert (offered.max_age, offered.challenge.origins) == (10, ("gateway.test",))
        assert offered.challenge.context == b"\x07" * CONTEXT_SIZE
        key = offered.key
        assert key is not None
        request, pending = request_token(
            offered.challenge,
            key,
            nonce=secrets.token_bytes(32),
            factor=factor(key),
            salt=secrets.token_bytes(48),
        )
        theirs.say(request.hex())
        token = finish_token(pending, theirs.hear_bytes())
        assert verify_token(token, keys=(key,), challenge=offered.challenge).token == token
        theirs.say(encode_authorization(token))
        assert theirs.hear() == "verified"
        changed = parse_token(token.raw[:-1] + bytes((token.raw[-1] ^ 1,)))
        theirs.say(encode_authorization(changed))
        assert theirs.hear() == "refused"
        theirs.end()


def test_their_client_refuses_a_wrong_signature() -> None:
    program("CVM_AUDIT_TOKEN_PEER")
    signer, key = issuer()
    with peer("client") as client:
        client.say(encode_offered_challenge(OfferedChallenge(challenge(), key, 10)))
        client.hear_bytes()
        client.say(blind_sign(signer, bytes(255) + b"\x02", factor=factor(key)).hex())
        assert "invalid signature" in client.refusal()
