"""No byte of an accepted bundle can change and leave the verdict VERIFIED.

The attacker of a bundle also writes ``bundle.json``, so the manifest is made anew around every
changed member: what must notice is the signature, the proof or the format behind it.
"""

from __future__ import annotations

import functools

import pytest

from tests.key_documents import key_document, key_entries, keys_section
from tests.making import NOW, Log, bundle, entry, policy, statement
from tests.synthetic_amd import synthetic_amd
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import Policy, parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.report_data import report_data_of_nonce

AMD = synthetic_amd()
NONCE = bytes(range(32))
MEASUREMENT = b"\x11" * 48
ENTRY = entry(statement(MEASUREMENT))
LOG = Log((b"one", b"two", ENTRY, *key_entries()))
CONTENTS = {
    "snp-report": AMD.report(report_data=report_data_of_nonce(NONCE), measurement=MEASUREMENT),
    "snp-vek": AMD.vek(),
    "release-entry": ENTRY,
    "release-proof": LOG.proof(2),
    "key-document": key_document(LOG, 3, 4),
    "nonce": NONCE,
}


@functools.cache
def rules() -> Policy:
    require = ("evidence", "keys", "log", "release")
    return parse_policy(policy(LOG, require=require, report_data="nonce") + keys_section())


def judge(contents: dict[str, bytes]) -> Verdict:
    return appraise_bundle(bundle(contents), policy=rules(), roots=(AMD.root,), now=NOW, nonce=None)


def test_the_bundle_is_accepted_as_it_is() -> None:
    assert judge(CONTENTS).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("role", CONTENTS)
def test_every_changed_byte_is_a_named_failure(role: str) -> None:
    original = CONTENTS[role]
    for place in range(len(original)):
        changed = bytearray(original)
        changed[place] ^= 1 << place % 8
        verdict = judge(CONTENTS | {role: bytes(changed)})
        assert verdict.outcome is Outcome.FAILED, (role, place)
        failed = [f for f in verdict.findings if f.status is Status.FAIL]
        assert all(f.expected and f.got and f.expected != f.got for f in failed), (role, place)


@pytest.mark.parametrize("role", CONTENTS)
def test_every_cut_and_every_added_byte_is_a_failure(role: str) -> None:
    original = CONTENTS[role]
    for place in {0, 1, len(original) // 2, len(original) - 1}:
        for other in (original[:place], original[:place] + b"\0" + original[place:]):
            assert judge(CONTENTS | {role: other}).outcome is Outcome.FAILED, (role, place)
    assert judge(CONTENTS | {role: original + b"\n"}).outcome is Outcome.FAILED


@pytest.mark.parametrize("role", CONTENTS)
def test_members_cannot_stand_in_for_each_other(role: str) -> None:
    for other, content in CONTENTS.items():
        if other != role:
            swapped = CONTENTS | {role: content}
            assert judge(swapped).outcome is Outcome.FAILED, (role, other)
