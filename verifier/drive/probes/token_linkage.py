"""Whether what the issuer saw can be laid beside what the gateway got.

Two accounts get tokens and spend them. All tokens must be signed by the one logged key and be for
one challenge, so that they say nothing of their account, no nonce may come twice, and nothing that
passed between a client and the issuer may share ``WINDOW`` bytes with a nonce or a signature. An
issuer that signs for one account with a key of its own is found here, because the client refuses
it.

A pass shows that there is no copy. That there is no other relation is what blinding proves (RFC
9474), not a search; and it says nothing of time: a token that is spent right after it was asked for
is linked by the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.encapsulated import open_exchanges
from verifier.drive.probes.exchanges import Exchange, read_exchanges
from verifier.drive.probes.keys import handed_over, logged_keys
from verifier.drive.probes.watching import Watch, without_session_no_finding
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.library import NotVerifiedError
from verifier.wire.blind_rsa import verify_signature
from verifier.wire.token import Token
from verifier.wire.token_issuance import TOKEN_REQUEST_SIZE, parse_token_request
from verifier.wire.token_key import TokenKey
from verifier.wire.tunnel import OpenTunnel

__all__ = [
    "CHECK",
    "WINDOW",
    "Spent",
    "judge_issued",
    "judge_linkage",
    "probe_token_linkage",
    "shared_window",
]

CHECK = "drive.path.token_linkage"

WINDOW = 16
"""Bytes that two random strings share by chance never: once in 2^128 pairs of places."""

_ACCOUNTS, _SESSIONS = 2, 2
_ISSUER, _GATEWAY = "client-issuer", "relay-gateway"


@dataclass(frozen=True, slots=True)
class Spent:
    """A token as the gateway got it, and of which account it is."""

    account: int
    token: Token


def probe_token_linkage(lab: Lab) -> Mapping[str, Seen]:
    """Spend tokens of two accounts; nothing where the hops are not watched, or no key is given."""
    if not lab.is_watched or lab.secrets_of_roles is None:
        return {}
    return {CHECK: attempt(lambda: _linked(lab))}


def judge_issued(exchanges: Sequence[Exchange], key: TokenKey, *, tokens: int) -> tuple[bytes, ...]:
    """All that went between clients and their issuer.

    Raises VerificationError for a request that names another key than ``key``, FetchError if there
    are fewer requests than the ``tokens`` that were spent: another was issued where nobody watched.
    """
    asked = [
        parse_token_request(each.request.body)
        for each in exchanges
        if len(each.request.body) == TOKEN_REQUEST_SIZE
    ]
    if len(asked) < tokens:
        expected, got = f"requests for {tokens} tokens or more", str(len(asked))
        raise FetchError(f"recording of {_ISSUER}", expected=expected, got=got)
    for request in asked:
        if request.truncated_key_id != key.truncated_key_id:
            expected, got = f"{key.truncated_key_id:#04x}", f"{request.truncated_key_id:#04x}"
            raise VerificationError("key of a token request", expected=expected, got=got)
    return tuple(
        part
        for each in exchanges
        for part in (each.request.head, each.request.body, each.answer.head, each.answer.body)
    )


def judge_linkage(spent: Sequence[Spent], issued: Iterable[bytes], key: TokenKey) -> str:
    """That nothing tells the tokens of one account from those of another, in words.

    ``issued`` is all that the issuer saw and said. Raises VerificationError, and FetchError if
    there are no tokens of ``_ACCOUNTS`` accounts.
    """
    accounts = len({each.account for each in spent})
    if accounts < _ACCOUNTS:
        expected, got = f"tokens of {_ACCOUNTS} accounts", f"{len(spent)} of {accounts}"
        raise FetchError(f"recording of {_GATEWAY}", expected=expected, got=got)
    challenge = spent[0].token.challenge_digest
    nonces: set[bytes] = set()
    for each in spent:
        token, whose = each.token, f"of a token of account {each.account}"
        _require_same(f"key {whose}", key.key_id, token.key_id)
        _require_same(f"challenge {whose}", challenge, token.challenge_digest)
        signed = token.raw[: len(token.raw) - len(token.authenticator)]
        verify_signature(key.rsa, signed, token.authenticator, what=f"signature {whose}")
        if token.nonce in nonces:
            expected, got = "a new one", token.nonce.hex()
            raise VerificationError(f"nonce {whose}", expected=expected, got=got)
        nonces.add(token.nonce)
    seen = tuple(issued)
    for each in spent:
        _require_unlinked(each, seen)
    return f"{len(spent)} tokens of {accounts} accounts: one key, one challenge, nothing shared"


def shared_window(one: bytes, other: bytes) -> bytes | None:
    """The first ``WINDOW`` bytes of ``other`` that stand in ``one``; None if there are none."""
    for start in range(len(other) - WINDOW + 1):
        window = other[start : start + WINDOW]
        if window in one:
            return window
    return None


def _linked(lab: Lab) -> Done:
    key, watch = logged_keys(lab).token, Watch(lab)
    sights = []
    for account in dict.fromkeys((0, lab.accounts - 1)):
        sight = Watch(lab)
        with lab.new_client(account=account) as client:
            for _ in range(_SESSIONS):
                _connected(client, account)
                client.close()
        exchanges = read_exchanges(sight.seen(_GATEWAY), what=_GATEWAY)
        sights.append((account, exchanges))
    gateway = handed_over(lab)
    spent = [
        Spent(account, each.request.token)
        for account, exchanges in sights
        for each in open_exchanges(exchanges, gateway)
        if isinstance(each.request, OpenTunnel)
    ]
    exchanged = read_exchanges(watch.seen(_ISSUER), what=_ISSUER)
    issued = judge_issued(exchanged, key, tokens=len(spent))
    return Done(judge_linkage(spent, issued, key))


def _connected(client: AttestedClient, account: int) -> None:
    """Connect. What only a further account is refused for is a mark of it, and so a finding."""
    if account == 0:
        with without_session_no_finding():
            client.connect()
        return
    try:
        client.connect()
    except NotVerifiedError as error:
        expected = "a session that is VERIFIED"
        raise FetchError("session of the probe", expected=expected, got=error.got) from None
    except (ParseError, VerificationError) as error:
        what = f"tokens of account {account}, {error.what}"
        raise VerificationError(what, expected=error.expected, got=error.got) from None


def _require_same(what: str, expected: bytes, got: bytes) -> None:
    if got != expected:
        raise VerificationError(what, expected=expected.hex(), got=got.hex())


def _require_unlinked(spent: Spent, issued: Sequence[bytes]) -> None:
    for part in (spent.token.nonce, spent.token.authenticator):
        for seen in issued:
            shared = shared_window(seen, part)
            if shared is not None:
                what = f"token of account {spent.account}"
                expected = "nothing that its issuer saw or said"
                raise VerificationError(what, expected=expected, got=shared.hex())
