from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.making import NOW, Log, bundle, entry, policy, publisher, statement
from tests.synthetic_sigstore import IDENTITY, Forge, encoded, trusted_root
from tests.synthetic_sigstore import bundle as sigstore_bundle
from verifier.appraisal.appraise import appraise_bundle, appraise_logged_release
from verifier.appraisal.appraise_identity import IdentityEvidence
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import Policy, parse_policy
from verifier.appraisal.required import required_checks
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.errors import PolicyError, VerificationError
from verifier.release.dsse import parse_envelope
from verifier.release.entry import open_release_by_identity, parse_entry
from verifier.release.sigstore_bundle import parse_trusted_root
from verifier.release.sigstore_format import parse_sigstore_bundle
from verifier.release.sigstore_identity import AuthenticIdentity, Identity

STRANGER = Identity("https://stranger.invalid/", IDENTITY.issuer)
ENTRY = entry()
STATEMENT = parse_envelope(ENTRY).payload
LOG = Log((b"another entry", ENTRY))
ROOT = parse_trusted_root(encoded(trusted_root()))
SIGNED = encoded(sigstore_bundle(STATEMENT))


def named(*identities: Identity) -> list[dict[str, str]]:
    return [{"identity": one.identity, "issuer": one.issuer} for one in identities]


def rules(
    *identities: Identity, keys: bool = True, require: tuple[str, ...] = ("log", "release")
) -> Policy:
    release: dict[str, Any] = {"identities": named(*identities)}
    if not keys:
        release |= {"publishers": [], "publisher_threshold": 0}
    return parse_policy(policy(LOG, require=require, release=release))


def judged(
    rules: Policy,
    *,
    signed: bytes | None = SIGNED,
    entry: bytes = ENTRY,
    root: Any = ROOT,
) -> Verdict:
    return appraise_logged_release(
        entry,
        Log((b"another entry", entry)).proof(1),
        policy=rules,
        now=NOW,
        identity=IdentityEvidence(bundle=signed, root=root),
    )


def found(verdict: Verdict) -> Mapping[str, Finding]:
    assert len({finding.check for finding in verdict.findings}) == len(verdict.findings)
    return {finding.check: finding for finding in verdict.findings}


def test_a_key_and_an_identity_have_signed() -> None:
    verdict = judged(rules(STRANGER, IDENTITY))
    assert verdict.outcome is Outcome.VERIFIED
    assert {"release.signature", "release.identity"} <= set(verdict.required)
    finding = found(verdict)["release.identity"]
    assert finding.expected == f"{STRANGER} or {IDENTITY}"
    assert finding.got == (
        f"{IDENTITY}, at 2026-11-21T11:00:00Z by the inclusion promise of the log, "
        "entry 2 of rekor.invalid"
    )
    assert finding.source == "release-sigstore"


def test_the_identity_alone_is_enough_where_no_key_is_named() -> None:
    verdict = judged(rules(IDENTITY, keys=False), entry=entry(by=publisher("any.invalid/one")))
    assert verdict.outcome is Outcome.VERIFIED
    assert "release.signature" not in verdict.required
    skipped = found(verdict)["release.signature"]
    assert (skipped.status, skipped.got) == (
        Status.SKIP,
        "not checked: the policy names no key of a publisher",
    )


def test_an_identity_does_not_stand_in_for_a_key() -> None:
    verdict = judged(rules(IDENTITY), entry=entry(by=publisher("any.invalid/one")))
    assert verdict.outcome is Outcome.FAILED
    findings = found(verdict)
    assert findings["release.signature"].status is Status.FAIL
    assert findings["release.identity"].status is Status.PASS
    assert findings["release.role"].got == "not checked: nobody named signed the release"


@pytest.mark.parametrize("keys", [True, False])
def test_a_key_does_not_stand_in_for_an_identity(*, keys: bool) -> None:
    verdict = judged(rules(STRANGER, keys=keys))
    assert verdict.outcome is Outcome.FAILED
    finding = found(verdict)["release.identity"]
    assert (finding.status, finding.cls) == (Status.FAIL, FindingClass.SECURITY)
    assert finding.expected == str(STRANGER)
    assert finding.got == f"Sigstore identity: '{IDENTITY.identity}' by '{IDENTITY.issuer}'"
    assert found(verdict)["release.role"].status is Status.SKIP


def test_a_signature_over_another_release_is_refused() -> None:
    other = parse_envelope(entry(statement(version="2.0.0"))).payload
    verdict = judged(rules(IDENTITY), signed=encoded(sigstore_bundle(other)))
    assert verdict.outcome is Outcome.FAILED
    finding = found(verdict)["release.identity"]
    assert finding.got.startswith("Sigstore bundle, signed statement: another, SHA-256 ")
    assert finding.cls is FindingClass.SECURITY


def test_a_malformed_bundle_is_a_failure_of_class_input() -> None:
    finding = found(judged(rules(IDENTITY), signed=b"garbage"))["release.identity"]
    assert (finding.status, finding.cls) == (Status.FAIL, FindingClass.INPUT)
    assert finding.expected == "JSON"


def test_a_missing_bundle_is_a_failure() -> None:
    verdict = judged(rules(IDENTITY), signed=None)
    assert verdict.outcome is Outcome.FAILED
    finding = found(verdict)["release.identity"]
    assert (finding.expected, finding.got) == (
        "a member in the role release-sigstore",
        "it is missing",
    )


@pytest.mark.parametrize("keys", [True, False])
def test_a_missing_root_is_never_verified(*, keys: bool) -> None:
    verdict = judged(rules(IDENTITY, keys=keys), root=None)
    assert verdict.outcome is Outcome.NOT_DETERMINED
    finding = found(verdict)["release.identity"]
    assert finding.status is Status.SKIP
    assert finding.got == "not checked: no Sigstore trusted root was given"


def test_an_identity_that_nobody_asked_for_is_named_as_not_proven() -> None:
    verdict = judged(rules())
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == ("release.identity",)
    assert judged(rules(), signed=None).outcome is Outcome.VERIFIED


def whole(rules: Policy, **changes: bytes | None) -> Verdict:
    members = {"release_entry": ENTRY, "release_proof": LOG.proof(1), "release_sigstore": SIGNED}
    given = {name.replace("_", "-"): data for name, data in (members | changes).items()}
    files = bundle({role: data for role, data in given.items() if data is not None})
    return appraise_bundle(files, policy=rules, roots=(), now=NOW, nonce=None, trusted_root=ROOT)


def test_the_bundle_travels_in_the_evidence_bundle() -> None:
    assert whole(rules(IDENTITY)).outcome is Outcome.VERIFIED
    assert whole(rules(IDENTITY), release_sigstore=None).outcome is Outcome.FAILED
    forged = encoded(sigstore_bundle(STATEMENT, Forge(ca="stranger")))
    assert whole(rules(IDENTITY), release_sigstore=forged).outcome is Outcome.FAILED
    assert whole(rules()).not_proven == ("release.identity",)


def test_a_release_that_is_missing_fails_by_its_first_check() -> None:
    verdict = whole(rules(IDENTITY, keys=False), release_entry=None)
    assert verdict.outcome is Outcome.FAILED
    assert found(verdict)["release.identity"].status is Status.SKIP


def test_what_is_required_follows_from_the_policy() -> None:
    stages = ("log", "release")
    for keys, identities, signers in (
        (True, (), {"release.signature"}),
        (True, (IDENTITY,), {"release.signature", "release.identity"}),
        (False, (IDENTITY,), {"release.identity"}),
    ):
        required = required_checks(rules(*identities, keys=keys), stages=stages)
        assert set(required) & {"release.signature", "release.identity"} == signers


POLICY_FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody at all": (
        {"identities": [], "publishers": [], "publisher_threshold": 0},
        "policy.release.publishers",
        "0",
    ),
    "no key, and a threshold": (
        {"publishers": [], "publisher_threshold": 1},
        "policy.release.publisher_threshold",
        "1",
    ),
    "keys, and no threshold": (
        {"publisher_threshold": 0},
        "policy.release.publisher_threshold",
        "0",
    ),
    "no issuer": (
        {"identities": [{"identity": "a@b.invalid"}]},
        "policy.release.identities[0].issuer",
        "it is missing",
    ),
    "no identity": (
        {"identities": [{"issuer": "https://issuer.invalid"}]},
        "policy.release.identities[0].identity",
        "it is missing",
    ),
    "an issuer that is not https": (
        {"identities": [{"identity": "a@b.invalid", "issuer": "http://issuer.invalid"}]},
        "policy.release.identities[0].issuer",
        "'http://issuer.invalid'",
    ),
    "a pattern for a name": (
        {"identities": [{"identity": "a@b.invalid", "issuer": "https://x.invalid", "regexp": "x"}]},
        "policy.release.identities[0]",
        "'regexp'",
    ),
    "one of them twice": (
        {"identities": named(IDENTITY, IDENTITY)},
        "policy.release.identities",
        "one of them twice",
    ),
}


@pytest.mark.parametrize("case", POLICY_FAULTS)
def test_a_policy_that_does_not_say_who_is_unusable(case: str) -> None:
    changes, what, got = POLICY_FAULTS[case]
    release = {"identities": named(IDENTITY)} | changes
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy(LOG, require=("log", "release"), release=release))
    assert (caught.value.what, caught.value.got) == (what, got)


def test_an_identity_opens_only_the_release_that_it_signed() -> None:
    identity: AuthenticIdentity = ROOT.verify_identity(
        parse_sigstore_bundle(SIGNED), statement=STATEMENT, identities=(IDENTITY,), now=NOW
    )
    assert open_release_by_identity(parse_entry(ENTRY), identity=identity).keys == ()
    other = parse_entry(entry(statement(version="2.0.0")))
    with pytest.raises(VerificationError) as caught:
        open_release_by_identity(other, identity=identity)
    assert caught.value.expected == "what the identity signed"
