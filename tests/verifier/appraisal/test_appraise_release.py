from __future__ import annotations

from tests.making import NOW, Log, policy
from tests.verifier.release.stating import good, signed
from verifier.appraisal.appraise import appraise_logged_release
from verifier.appraisal.appraise_release import release_checks
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Outcome


def test_an_authentic_entry_of_another_kind_is_no_release() -> None:
    rules = parse_policy(policy(require=("log", "release")))
    assert rules.release is not None
    for kind in ("announcement", "log-policy", "revocation"):
        raw = signed(good(kind))  # by the publisher that the policy names
        verdict = appraise_logged_release(raw, Log((raw,)).proof(0), policy=rules, now=NOW)
        assert verdict.outcome is Outcome.FAILED
        found = {finding.check: finding for finding in verdict.findings}
        assert found["release.format"].status is Status.FAIL
        assert found["release.format"].expected == "urn:cvm-audit:cvm-release:v1"
        assert found["release.format"].got.endswith(f" urn:cvm-audit:{kind}:v1")
        assert {found[check].status for check in release_checks(rules.release)[1:]} == {Status.SKIP}
