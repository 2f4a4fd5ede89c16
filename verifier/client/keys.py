"""The keys of the private path, from a key CDN that nobody believes: used once they are judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.appraise_keys import AuthenticKeySet, appraise_key_document
from verifier.appraisal.policy import Policy
from verifier.client.deadline import Deadline
from verifier.client.web import Url, ask
from verifier.errors import FetchError, PolicyError
from verifier.library import NotVerifiedError
from verifier.wire.key_configuration import KEYS_MEDIA_TYPE, KEYS_PATH, MAX_KEY_DOCUMENT

__all__ = ["GivenKeys", "KeyCdn", "open_keys"]

_OK = 200


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """A key document as it was given out, and the keys in it."""

    document: bytes
    keys: AuthenticKeySet


class KeyCdn:
    """What the key CDN at ``cdn`` gives out, fetched once and judged at every use."""

    def __init__(self, cdn: Url) -> None:
        self._url = cdn.at(KEYS_PATH)
        self._document: bytes | None = None

    def keys(self, *, policy: Policy, now: datetime, deadline: Deadline) -> GivenKeys:
        """The keys to use at ``now``. Raises FetchError, ParseError, NotVerifiedError, PolicyError.

        A document that was good when it was fetched and is not any more is fetched anew.
        """
        _require_keys(policy)
        kept = self._document
        if kept is not None:
            try:
                return GivenKeys(kept, open_keys(kept, policy=policy, now=now))
            except NotVerifiedError:
                self.forget()
        answer = ask(self._url, None, limit=MAX_KEY_DOCUMENT, deadline=deadline)
        if (answer.status, answer.media_type) != (_OK, KEYS_MEDIA_TYPE):
            got = f"status {answer.status} with {answer.media_type[:60]!r}"
            raise FetchError(str(self._url), expected=f"200 with {KEYS_MEDIA_TYPE}", got=got)
        given = GivenKeys(answer.content, open_keys(answer.content, policy=policy, now=now))
        self._document = given.document
        return given

    def forget(self) -> None:
        """Fetch the document anew at the next use: the gateway did not know a key in it."""
        self._document = None


def open_keys(document: bytes, *, policy: Policy, now: datetime) -> AuthenticKeySet:
    """The keys of a key document. Raises NotVerifiedError with the verdict on it.

    PolicyError if the policy does not say whose keys count.
    """
    _require_keys(policy)
    appraised = appraise_key_document(document, policy=policy, now=now)
    if appraised.keys is None:
        raise NotVerifiedError(appraised.verdict)
    return appraised.keys


def _require_keys(policy: Policy) -> None:
    if policy.keys is None:
        expected = 'require = ["keys", "log", …], for a session through the private path'
        raise PolicyError("policy.require", expected=expected, got=", ".join(policy.require))
