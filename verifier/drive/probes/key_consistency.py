"""Whether everyone is given the same keys, and these are in the log.

A key for one client alone would mark that client. So the document is fetched as several people
would, and judged as every client judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from verifier.appraisal.appraise_keys import appraise_key_document
from verifier.appraisal.drive.driven import Done, Seen
from verifier.drive.attempt import attempt
from verifier.drive.lab import LOOPBACK, Lab
from verifier.errors import VerificationError
from verifier.library import NotVerifiedError

__all__ = ["VANTAGE_POINTS", "probe_key_consistency"]

VANTAGE_POINTS = (
    (LOOPBACK, ""),
    ("127.0.0.2", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("127.0.0.3", "curl/8.14.1"),
    ("127.0.0.4", ""),
)
"""Address and user agent of everyone who fetches; elsewhere only the user agents differ."""


def probe_key_consistency(lab: Lab) -> Mapping[str, Seen]:
    """Fetch the document from every vantage point, compare the bytes, and judge them."""
    return {"drive.path.key_consistency": attempt(lambda: _consistent(lab))}


def _consistent(lab: Lab) -> Done:
    documents = {
        (source, agent): lab.fetch_keys(source=source, user_agent=agent)
        for source, agent in VANTAGE_POINTS
    }
    first, *others = documents.values()
    expected = f"document {sha256(first).hexdigest()}, as {LOOPBACK} was given it"
    for (source, agent), document in documents.items():
        if document != first:
            got = f"{sha256(document).hexdigest()} for {source}, user agent {agent or 'none'}"
            raise VerificationError("key document", expected=expected, got=got)
    appraised = appraise_key_document(first, policy=lab.policy, now=lab.now)
    if appraised.keys is None:
        error = NotVerifiedError(appraised.verdict)
        raise VerificationError("key document", expected="one that is in the log", got=error.got)
    # Elsewhere every connection comes from the one address that this machine has.
    addresses = len({source for source, _ in documents}) if lab.is_watched else 1
    agents = len({agent for _, agent in documents})
    return Done(
        f"{len(others) + 1} fetched alike from {addresses} address{'es' * (addresses > 1)} by "
        f"{agents} user agents, and every configuration in it is logged"
    )
