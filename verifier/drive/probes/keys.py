"""The keys that everyone is given, and the gateway's private one once it has been handed over."""

from __future__ import annotations

from verifier.appraisal.appraise_keys import AuthenticKeySet
from verifier.client.keys import open_keys
from verifier.drive.lab import Lab
from verifier.drive.probes.encapsulated import GATEWAY, parse_gateway_secret
from verifier.drive.probes.watching import without_session_no_finding
from verifier.errors import FetchError
from verifier.wire.ohttp import GatewayKey

__all__ = ["handed_over", "logged_keys"]


def logged_keys(lab: Lab) -> AuthenticKeySet:
    """The keys that the log vouches for. Raises FetchError."""
    with without_session_no_finding():
        return open_keys(lab.fetch_keys(), policy=lab.policy, now=lab.now)


def handed_over(lab: Lab) -> GatewayKey:
    """The gateway's key, to be asked for after a session has ended.

    Raises FetchError if nobody hands it over, VerificationError if it is another one than the
    logged, ParseError.
    """
    secrets = {} if lab.secrets_of_roles is None else lab.secrets_of_roles()
    if GATEWAY not in secrets:
        got = ", ".join(sorted(secrets)) or "none"
        raise FetchError("keys of the roles", expected=f"the {GATEWAY}'s", got=got)
    return parse_gateway_secret(secrets[GATEWAY], logged=(logged_keys(lab).ohttp,))
