"""The attested client: sends a user's words to a CVM that is VERIFIED, and to nothing else.

Every connection is judged anew: keys, log proof, evidence, and that the evidence binds this very
session. Until a byte of a prompt has left, a connection that failed is replaced by another one,
judged like the first; after that the user is told, and nothing is sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypeVar

from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Verdict
from verifier.client.deadline import Deadline
from verifier.client.endpoint import Endpoint, Opened
from verifier.client.feature import Feature
from verifier.client.session import (
    AttestedSession,
    SessionEvidence,
    collect_evidence,
    files_of_bundle,
)
from verifier.client.tls import TlsClient
from verifier.client.tunnel import KeyRefusedError, TokenRefusedError
from verifier.errors import AuditError, FetchError
from verifier.library import NotVerifiedError, Verified, verify_bundle
from verifier.roots.snp_root import SnpRoot
from verifier.wire.service import (
    ChatRequest,
    Message,
    RewriteRequest,
    SummaryRequest,
    encode_chat_request,
    encode_rewrite_request,
    encode_summary_request,
)

if TYPE_CHECKING:  # loads the library of Sigstore, which only a policy with identities needs
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = ["DEFAULT_SECONDS", "IDLE_SECONDS", "AttestedClient"]

DEFAULT_SECONDS = 60.0
"""How long a call may take, from keys and tokens to the answer."""

IDLE_SECONDS = 40.0
"""A session that was silent for so long is replaced: its CVM or gateway may have let go of it."""

_PAUSES = (0.2, 0.8)  # seconds before another connection is tried
# The weather, or something that has changed since; a false claim is neither.
_PASSING = (FetchError, KeyRefusedError, TokenRefusedError)
_CLOSING_SECONDS = 2.0
_T = TypeVar("_T")


@dataclass(slots=True)
class _Live:
    opened: Opened
    tls: TlsClient
    session: AttestedSession
    used: float
    chats: bool = False

    @property
    def is_stale(self) -> bool:
        """Whether it would not answer any more, or probably not."""
        return self.tls.ended or time.monotonic() - self.used > IDLE_SECONDS


class AttestedClient:
    """Used like ``requests.Session``: one user, one thread, connections as they are needed.

    ``policy`` is the text of the appraisal policy, ``roots`` are the vendor keys to believe,
    ``endpoint`` is where the CVM is reached, ``feature`` the switch of its user, ``seconds`` how
    long a call may take. ``crl`` (DER) and ``trusted_root`` are what is known of revocations and of
    Sigstore, None for nothing. Raises PolicyError for an unusable policy.
    """

    def __init__(
        self,
        *,
        policy: bytes,
        roots: tuple[SnpRoot, ...],
        endpoint: Endpoint,
        feature: Feature,
        seconds: float = DEFAULT_SECONDS,
        crl: bytes | None = None,
        trusted_root: TrustedRoot | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._text = policy
        self._policy = parse_policy(policy)
        self._roots = roots
        self._endpoint = endpoint
        self._feature = feature
        self._seconds = seconds
        self._crl = crl
        self._trusted_root = trusted_root
        self._clock = clock
        self._live: _Live | None = None
        self._verdict: Verdict | None = None
        self._bundle: Mapping[str, bytes] = MappingProxyType({})

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the last connection, or on its keys; None if it did not get so far."""
        return self._verdict

    @property
    def bundle(self) -> Mapping[str, bytes]:
        """The files of the evidence bundle of that connection, by path; empty without evidence.

        Anyone can judge it again, offline, years later (``cvm-audit evidence reverify``).
        """
        return self._bundle

    @property
    def group(self) -> str:
        """The group of the key exchange of the open session, such as ``X25519MLKEM768``."""
        return self._live.tls.group if self._live is not None else ""

    def summarise(
        self, messages: Iterable[tuple[str, str]], *, sentences: int = 3
    ) -> tuple[str, ...]:
        """The sentences of a summary of ``messages``: who wrote, and what.

        Raises FeatureOffError; NotVerifiedError with its verdict; VerificationError, ParseError
        and UnsupportedError for a role or CVM that says something else than it should, and
        VerificationError for a CVM that refuses the request; FetchError where an answer did not
        come in time; ValueError for a request that no CVM takes.
        """
        request = SummaryRequest(_messages(messages), sentences)
        encode_summary_request(request)  # what no CVM takes costs no connection
        return self._ask(lambda live: live.session.summarise(request))

    def rewrite(self, text: str, *, style: str) -> tuple[str, ...]:
        """Other wordings of ``text``. Raises as ``summarise``."""
        request = RewriteRequest(text, style)
        encode_rewrite_request(request)
        return self._ask(lambda live: live.session.rewrite(request))

    def chat(self, turn: str, *, messages: Iterable[tuple[str, str]] = ()) -> str:
        """The reply to ``turn``, which rests on the earlier turns of this session.

        Raises as ``summarise``. Where the session is lost, so is what was said in it: FetchError,
        and the next call begins anew.
        """
        request = ChatRequest(_messages(messages), turn)
        encode_chat_request(request)

        def say(live: _Live) -> str:
            live.chats = True
            return live.session.chat(request)

        return self._ask(say)

    def connect(self) -> Verdict:
        """Have a session that is VERIFIED, without a word of the user's; its verdict.

        Raises as ``summarise``.
        """
        return self._ask(lambda live: live.session.verdict)

    def close(self) -> None:
        """End the session, and with it its keys and whatever the CVM knows. May be used again."""
        self._drop(Deadline.after(_CLOSING_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, use: Callable[[_Live], _T]) -> _T:
        deadline = Deadline.after(self._seconds)
        live = self._session(deadline)
        live.tls.deadline = deadline
        try:
            self._feature.require_on()
            answer = use(live)
        except BaseException:
            # Half an exchange: what came next could not be told from its rest.
            self._drop(deadline.within(_CLOSING_SECONDS))
            raise
        live.used = time.monotonic()
        return answer

    def _session(self, deadline: Deadline) -> _Live:
        if not self._feature.is_on:
            self._drop(deadline)
        live = self._live
        if live is not None and not live.chats and live.is_stale:
            self._drop(deadline.within(_CLOSING_SECONDS))
            live = None
        if live is None:
            live = self._live = self._connected(deadline)
        return live

    def _connected(self, deadline: Deadline) -> _Live:
        for pause in (*_PAUSES, None):
            self._feature.require_on()
            try:
                return self._attempt(deadline)
            except AuditError as error:
                self._endpoint.renew()
                if not isinstance(error, _PASSING) or pause is None:
                    raise
                if deadline.at - time.monotonic() <= pause:
                    raise
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, deadline: Deadline) -> _Live:
        self._verdict, self._bundle = None, MappingProxyType({})
        try:
            return self._opened(self._clock(), deadline)
        except NotVerifiedError as error:
            self._verdict = error.verdict
            raise

    def _opened(self, now: datetime, deadline: Deadline) -> _Live:
        opened = self._endpoint.open(policy=self._policy, now=now, deadline=deadline)
        try:
            tls = TlsClient(opened.transport, seconds=self._seconds, deadline=deadline)
            evidence = collect_evidence(tls)
            verified = self._judged(evidence, opened, now)
            session = AttestedSession(tls, evidence, verified)
        except BaseException:
            self._close(opened, deadline.within(_CLOSING_SECONDS))
            raise
        return _Live(opened, tls, session, time.monotonic())

    def _judged(self, evidence: SessionEvidence, opened: Opened, now: datetime) -> Verified:
        contents = {**evidence.contents(policy=self._text, crl=self._crl), **opened.members}
        self._bundle = MappingProxyType(dict(files_of_bundle(contents, captured=now)))
        verified = verify_bundle(
            self._bundle,
            policy=self._policy,
            roots=self._roots,
            now=now,
            nonce=evidence.nonce,
            trusted_root=self._trusted_root,
        )
        self._verdict = verified.verdict
        return verified

    def _drop(self, deadline: Deadline) -> None:
        live, self._live = self._live, None
        if live is not None:
            self._close(live.opened, deadline)

    def _close(self, opened: Opened, deadline: Deadline) -> None:
        # What is off does not even say goodbye.
        opened.transport.close(deadline=deadline if self._feature.is_on else Deadline.after(0.0))


def _messages(messages: Iterable[tuple[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(sender, text) for sender, text in messages)
