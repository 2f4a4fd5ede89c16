"""Makes the lab of a deployment: its clients, and how they get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from verifier.appraisal.policy import Policy
from verifier.client.client import AttestedClient
from verifier.client.deadline import Deadline
from verifier.client.deployment import Deployment
from verifier.client.endpoint import Opened
from verifier.client.feature import Feature
from verifier.client.path import PrivatePath
from verifier.client.web import Url, ask
from verifier.drive.lab import AS_RECEIVED, LOOPBACK, Lab
from verifier.drive.path import RunningPath
from verifier.drive.plan import Rules
from verifier.errors import FetchError
from verifier.wire.key_configuration import KEYS_MEDIA_TYPE, KEYS_PATH, MAX_KEY_DOCUMENT

__all__ = ["distant_lab", "watched_lab"]

_FEATURE = "drive"
_KEY_SECONDS = 30.0
_OK = 200


def watched_lab(
    rules: Rules,
    path: RunningPath,
    *,
    restart: Callable[[int], None],
    consoles: Callable[[], tuple[Path, ...]],
) -> Lab:
    """The lab of a path that runs on this machine, behind our taps."""
    clients = _Clients(rules, path.deployment, path.bearers, is_local=True)
    return Lab(
        entry=rules.entry,
        policy=rules.policy,
        now=rules.now,
        accounts=len(path.bearers),
        new_client=clients.make,
        fetch_keys=clients.keys_given,
        taps=path.taps,
        roles=path.roles,
        consoles=consoles,
        restart_cvm=restart,
        secrets_of_roles=path.secrets_of_roles,
        chat=rules.chat,
    )


def distant_lab(rules: Rules, deployment: Deployment, *, bearers: Sequence[str]) -> Lab:
    """The lab of a deployment that somebody else runs; ``bearers`` are accounts with its issuer."""
    clients = _Clients(rules, deployment, tuple(bearers), is_local=False)
    return Lab(
        entry=rules.entry,
        policy=rules.policy,
        now=rules.now,
        accounts=len(bearers),
        new_client=clients.make,
        fetch_keys=clients.keys_given,
        taps={},
        roles=(),
        consoles=tuple,
        restart_cvm=None,
        secrets_of_roles=None,
        chat=rules.chat,
    )


@dataclass(frozen=True, slots=True)
class _Clients:
    rules: Rules
    deployment: Deployment
    bearers: tuple[str, ...]
    is_local: bool

    def make(
        self,
        *,
        source: str = LOOPBACK,
        account: int = 0,
        feature_on: bool = True,
        key_cdn: Url | None = None,
        members: Mapping[str, tuple[str, bytes]] = AS_RECEIVED,
    ) -> AttestedClient:
        """As ``NewClient``."""
        rules, feature = self.rules, Feature(_FEATURE)
        if feature_on:
            feature.switch_on()
        there = self._seen_from(source)
        if key_cdn is not None:
            there = replace(there, key_cdn=key_cdn)
        path = PrivatePath(there, account=self.bearers[account])
        return AttestedClient(
            policy=rules.policy_text,
            roots=rules.roots,
            endpoint=_Replacing(path, members),
            feature=feature,
            crl=rules.crl,
            trusted_root=rules.trusted_root,
            clock=lambda: rules.now,
        )

    def keys_given(self, *, source: str = LOOPBACK, user_agent: str = "") -> bytes:
        """As ``FetchKeys``."""
        url = self._seen_from(source).key_cdn.at(KEYS_PATH)
        deadline = Deadline.after(_KEY_SECONDS)
        answer = ask(url, None, user_agent=user_agent, limit=MAX_KEY_DOCUMENT, deadline=deadline)
        if (answer.status, answer.media_type) != (_OK, KEYS_MEDIA_TYPE):
            got = f"status {answer.status} with {answer.media_type[:60]!r}"
            raise FetchError(str(url), expected=f"200 with {KEYS_MEDIA_TYPE}", got=got)
        return answer.content

    def _seen_from(self, source: str) -> Deployment:
        if not self.is_local:  # there is one way to get there, from whatever address we have
            return self.deployment
        there = self.deployment
        return replace(
            there,
            relay=replace(there.relay, source=source),
            issuer=replace(there.issuer, source=source),
            key_cdn=replace(there.key_cdn, source=source),
        )


@dataclass(frozen=True, slots=True)
class _Replacing:
    """A private path whose connections come with ``members`` in place of what was received."""

    path: PrivatePath
    members: Mapping[str, tuple[str, bytes]]

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        """As ``Endpoint``."""
        opened = self.path.open(policy=policy, now=now, deadline=deadline)
        return Opened(opened.transport, {**opened.members, **self.members})

    def renew(self) -> None:
        """As ``Endpoint``."""
        self.path.renew()
