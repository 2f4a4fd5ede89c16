"""No random mutation of an accepted bundle is VERIFIED, raises, or takes 100 ms.

``CVM_AUDIT_MUTATIONS`` says how many are tried, ``CVM_AUDIT_MUTATION_SEED`` from which seed on:
mutation N of a run has the seed of the run plus N, and a failure names it.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from tests.making import NOW, bundle
from tests.properties.mutation_cases import Case, cases
from tests.properties.mutators import MUTATORS, Found, is_harmless, twin
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Status
from verifier.appraisal.verdict import Outcome, Verdict

COUNT = int(os.environ.get("CVM_AUDIT_MUTATIONS", "3000"))
SEED = int(os.environ.get("CVM_AUDIT_MUTATION_SEED", "20261121"))
MAX_CPU_NS = 100_000_000


def judge(found: Found, case: Case) -> Verdict:
    return appraise_bundle(found, policy=case.policy, roots=case.roots, now=NOW, nonce=None)


def timed(found: Found, case: Case) -> tuple[Verdict, int]:
    start = time.thread_time_ns()
    verdict = judge(found, case)
    return verdict, time.thread_time_ns() - start


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.name))
def test_the_bundles_are_accepted_as_they_are(case: Case) -> None:
    verdict = judge(case.files, case)
    assert verdict.outcome is Outcome.VERIFIED, [
        (f.check, f.expected, f.got) for f in verdict.findings if f.status is not Status.PASS
    ]
    assert is_harmless(case.files, case)


def test_the_twin_of_a_signature_says_the_same() -> None:
    case = cases()[0]
    other = bundle(case.contents | {"snp-report": twin(case.contents["snp-report"])})
    assert is_harmless(other, case)
    assert judge(other, case).outcome is Outcome.VERIFIED


def test_no_mutation_is_verified_raises_or_takes_long() -> None:
    outcomes: Counter[str] = Counter()
    slowest = 0
    for seed in range(SEED, SEED + COUNT):
        rng = random.Random(seed)
        case, mutator = rng.choice(cases()), rng.choice(MUTATORS)
        where = f"CVM_AUDIT_MUTATION_SEED={seed}: {mutator.__name__} of {case.name}"
        found = mutator(rng, case)
        try:
            verdict, taken = timed(found, case)
        except Exception as error:
            raise AssertionError(where) from error
        if taken > MAX_CPU_NS:  # once more: a first use, or a collection of garbage
            taken = min(taken, timed(found, case)[1])
        assert taken < MAX_CPU_NS, (where, taken)
        slowest = max(slowest, taken)
        if verdict.outcome is Outcome.VERIFIED:
            assert is_harmless(found, case), where
            outcomes["harmless"] += 1
        else:
            outcomes[verdict.outcome] += 1
    print(f"seeds {SEED} to {SEED + COUNT - 1}: {dict(outcomes)}; slowest {slowest / 1e6:.1f} ms")  # noqa: T201 - shown by pytest -s
    assert outcomes[Outcome.FAILED] > 0.9 * COUNT
    assert outcomes["harmless"] < 0.05 * COUNT
