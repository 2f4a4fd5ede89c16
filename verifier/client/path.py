"""The private path as a client walks it: keys that everyone is given, a token, then the relay.

Nobody on it learns both who asks and what is asked; the CVM at its end is judged like any other.
Source: design section 6; docs/spec/private-path.md.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from verifier.appraisal.policy import Policy
from verifier.appraisal.required import KEY_DOCUMENT
from verifier.client.deadline import Deadline
from verifier.client.deployment import MAX_DEPLOYMENT, Deployment, parse_deployment
from verifier.client.endpoint import Opened
from verifier.client.keys import KeyCdn
from verifier.client.tokens import Tokens
from verifier.client.tunnel import GatewayPlace, TunnelTransport
from verifier.errors import ParseError
from verifier.files import read_file
from verifier.wire.token_challenge import TokenChallenge, encode_token_challenge

__all__ = ["DEFAULT_PREFETCH", "DOCUMENT_PATH", "PrivatePath"]

DEFAULT_PREFETCH = 4
"""How many tokens are asked for at a time."""

DOCUMENT_PATH = "path/keys.bin"
"""Where a bundle has the key document."""


class PrivatePath:
    """A CVM behind relay and gateway. Nothing is opened before ``open``.

    ``deployment`` says where the roles are, or is the path of the ``deployment.json`` that does;
    ``account`` is the bearer secret of an account with the issuer. Raises FetchError and ParseError
    for a document that cannot be read, and ValueError as ``Tokens``.
    """

    def __init__(
        self, deployment: Deployment | Path, *, account: str, prefetch: int = DEFAULT_PREFETCH
    ) -> None:
        if isinstance(deployment, Path):
            deployment = parse_deployment(read_file(deployment, limit=MAX_DEPLOYMENT))
        challenge = _challenge(deployment)
        self._deployment = deployment
        self._cdn = KeyCdn(deployment.key_cdn)
        self._tokens = Tokens(
            deployment.issuer, account=account, challenge=challenge, prefetch=prefetch
        )

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        """Judge the keys, take a token, and have a tunnel that opens with the first byte.

        Raises NotVerifiedError for keys that do not hold, PolicyError for a policy that does not
        say whose keys count, FetchError, ParseError and VerificationError as ``Tokens.take``.
        """
        given = self._cdn.keys(policy=policy, now=now, deadline=deadline)
        token = self._tokens.take(given.keys.token, deadline=deadline)
        place = GatewayPlace(self._deployment.relay, self._deployment.authority, given.keys.ohttp)
        members = {DOCUMENT_PATH: (KEY_DOCUMENT, given.document)}
        return Opened(TunnelTransport(place, token), members)

    def renew(self) -> None:
        """Fetch the key document anew at the next opening; tokens of another key go with it."""
        self._cdn.forget()


def _challenge(deployment: Deployment) -> TokenChallenge:
    # Computed, and not taken from the gateway: a challenge for one client alone would mark it.
    try:
        return encode_token_challenge(
            issuer_name=deployment.issuer_name, context=b"", origins=(deployment.authority,)
        )
    except ValueError as error:
        raise ParseError("names", expected="names of hosts", got=str(error)) from None
