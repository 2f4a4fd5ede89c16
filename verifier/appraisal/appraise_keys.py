"""Which keys of the private path a client may use: logged, signed by who may, and valid now.

A key document is what a key CDN gives out, believed by no one. Every configuration in it must hold,
used or not: a CDN that gives out one that does not is not to be trusted with the choice of the
others. Source: design section 6; docs/spec/private-path.md, "Keys".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.appraise_log import LOG_CHECKS, appraise_log
from verifier.appraisal.findings import FindingClass, Status, compared
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import KeysPolicy, LogPolicy, Policy
from verifier.appraisal.required import (
    KEY_CHECKS,
    KEY_DOCUMENT,
    required_of_keys,
    unproven_of_keys,
)
from verifier.appraisal.signed_entry import open_signed
from verifier.appraisal.verdict import Target, Verdict
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release.entry import AuthenticEntry, Entry, open_entry, parse_entry
from verifier.release.key_configuration import PREDICATE_TYPE, KeyConfiguration
from verifier.wire.key_configuration import parse_key_document
from verifier.wire.key_set import KeySet, open_key_set
from verifier.wire.ohttp_keys import OhttpKey
from verifier.wire.token_key import TokenKey

__all__ = ["AppraisedKeys", "AuthenticKeySet", "appraise_key_document", "appraise_keys"]

_USES = {"gateway": "ohttp", "issuer": "token"}  # role to what its key is for; no other is used


@dataclass(frozen=True, slots=True)
class AuthenticKeySet:
    """The keys that every client uses: the first of a gateway, and the first of an issuer.

    ``not_after`` is when the first of the configurations ends. Made by ``appraise_keys``, where
    every check of the document passed.
    """

    ohttp: OhttpKey
    token: TokenKey
    not_after: datetime


@dataclass(frozen=True, slots=True)
class AppraisedKeys:
    """The verdict on a key document, and its keys; None if any check of it did not pass."""

    verdict: Verdict
    keys: AuthenticKeySet | None


@dataclass(frozen=True, slots=True)
class _Logged:
    entry: Entry
    proof: bytes


def appraise_key_document(document: bytes, *, policy: Policy, now: datetime) -> AppraisedKeys:
    """Judge what a key CDN gave out, alone. ValueError for a policy that does not require keys.

    Under a policy that requires evidence as well the verdict is at best PARTIAL.
    """
    if policy.keys is None or policy.log is None:  # one demands the other
        message = "the policy does not require keys"
        raise ValueError(message)
    ledger = Ledger()
    keys = appraise_keys(ledger, document, policy=policy.keys, log=policy.log, now=now)
    verdict = Verdict(
        target=Target(KEY_DOCUMENT, hashlib.sha256(document).digest()),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=("keys", "log"),
        instant=now,
        platform="",
        required=required_of_keys(),
        findings=ledger.findings,
        not_proven=unproven_of_keys(policy),
    )
    return AppraisedKeys(verdict, keys)


def appraise_keys(
    ledger: Ledger, document: bytes | None, *, policy: KeysPolicy, log: LogPolicy, now: datetime
) -> AuthenticKeySet | None:
    """Record a finding for each of ``KEY_CHECKS``, and for each configuration's place in the log.

    The keys, if all of that passed.
    """
    if document is None:
        ledger.missing((*KEY_CHECKS, *LOG_CHECKS), role=KEY_DOCUMENT)
        return None
    start = len(ledger.findings)
    parsed = ledger.attempt(
        "keys.format",
        lambda: _parse(document),
        expected="logged configurations of the kind key-configuration/v1",
        got=lambda all_: f"{len(all_)}, {len(document)} bytes",
        source=KEY_DOCUMENT,
    )
    if parsed is None:
        reason = "the key document could not be read"
        ledger.skip((*KEY_CHECKS[1:], *LOG_CHECKS), reason=reason, source=KEY_DOCUMENT)
        return None
    valid = [_configuration(ledger, each, policy=policy, log=log, now=now) for each in parsed]
    usable = tuple(each for each in valid if each is not None)
    if len(usable) != len(valid):
        reason = "a configuration is not signed, or not valid"
        ledger.skip(KEY_CHECKS[3:], reason=reason, source=KEY_DOCUMENT)
        return None
    keys = ledger.attempt(
        "keys.complete",
        lambda: _first(usable, now),
        expected="a gateway's key for Oblivious HTTP, and an issuer's for tokens",
        got=lambda k: f"key {k.ohttp.key_id} of a gateway, {k.token.key_id.hex()} of an issuer",
        source=KEY_DOCUMENT,
    )
    passed = all(finding.status is Status.PASS for finding in ledger.findings[start:])
    return keys if passed else None


def _parse(document: bytes) -> tuple[_Logged, ...]:
    return tuple(
        _Logged(_entry(logged.entry), logged.proof) for logged in parse_key_document(document)
    )


def _entry(raw: bytes) -> Entry:
    entry = parse_entry(raw)
    if not isinstance(entry.content, KeyConfiguration):
        raise ParseError("predicate type", expected=PREDICATE_TYPE, got=entry.kind)
    return entry


def _configuration(
    ledger: Ledger, logged: _Logged, *, policy: KeysPolicy, log: LogPolicy, now: datetime
) -> KeyConfiguration | None:
    """One configuration, if it is signed and valid; whether it is logged the findings say."""
    entry = logged.entry
    appraise_log(ledger, entry=entry.raw, proof=logged.proof, policy=log, source=KEY_DOCUMENT)
    opened = open_signed(
        ledger, "keys.signature", open_entry, entry, policy=policy, source=KEY_DOCUMENT
    )
    if opened is None:
        reason = "nobody who may has signed it"
        ledger.skip(KEY_CHECKS[2:3], reason=reason, source=KEY_DOCUMENT)
        return None
    configuration = _content(opened)
    start, end = configuration.not_before, configuration.not_after
    holds = start <= now < end
    validity = compared(
        "keys.validity",
        holds=holds,
        expected=f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}",
        got=f"the key of a {configuration.role}, at {now:%Y-%m-%dT%H:%M:%SZ}",
        source=KEY_DOCUMENT,
        cls=FindingClass.POLICY,
    )
    ledger.record((validity,))
    return configuration if holds else None


def _content(opened: AuthenticEntry) -> KeyConfiguration:
    assert isinstance(opened.content, KeyConfiguration)  # noqa: S101 - ``_entry`` made sure
    return opened.content


def _first(configurations: tuple[KeyConfiguration, ...], now: datetime) -> AuthenticKeySet:
    sets = [keys for each in configurations if (keys := _key_set(each, now)) is not None]
    ohttp = [key for keys in sets for key in keys.ohttp]
    token = [key for keys in sets for key in keys.token]
    if not ohttp or not token:
        expected = "a gateway's key for Oblivious HTTP, and an issuer's for tokens"
        got = f"{len(ohttp)} of a gateway, {len(token)} of an issuer"
        raise VerificationError("keys", expected=expected, got=got)
    return AuthenticKeySet(ohttp[0], token[0], min(each.not_after for each in configurations))


def _key_set(configuration: KeyConfiguration, now: datetime) -> KeySet | None:
    use = _USES.get(configuration.role)
    keys = [(key.use, key.encoded) for key in configuration.keys if key.use == use]
    try:
        return open_key_set(
            keys,
            not_before=configuration.not_before,
            not_after=configuration.not_after,
            now=now,
        )
    except UnsupportedError:  # of algorithms that are not ours; another one may have a key
        return None
