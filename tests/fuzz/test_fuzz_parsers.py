"""A short fuzz of every parser; ``python -m tests.fuzz.fuzz_parsers`` is the long one.

Only AuditError may come out, and soon.
"""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import corpus, parsers, seeds
from tests.properties.mutators import edited

MAX_CPU_S = 1.0


@pytest.mark.parametrize("name", parsers())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**64), raw=st.binary(max_size=2048))
def test_whatever_comes_in_only_our_errors_come_out(name: str, seed: int, raw: bytes) -> None:
    parser, rng = parsers()[name], random.Random(seed)
    beginning = rng.choice(corpus(parser))
    for data in (raw, edited(rng, beginning), beginning + raw, rng.choice(seeds())):
        start = time.thread_time()
        parser(data)
        assert time.thread_time() - start < MAX_CPU_S, (name, data[:100].hex())


def test_the_parsers_are_found() -> None:
    names = {name.rsplit(".", 1)[1] for name in parsers()}
    assert {"parse_report", "parse_policy", "parse_verdict", "parse_tlog_proof"} <= names
    assert {"parse_hex", "parse_vkey", "parse_crl", "parse_ovmf", "parse_entry"} <= names
    assert "parse_checkpoint" not in names  # takes what parse_note made


def test_an_error_that_is_not_ours_is_seen() -> None:
    report = parsers()["verifier.evidence.snp_report.parse_report"]
    with pytest.raises(TypeError):
        report(None)  # type: ignore[arg-type] # stands for a bug


def test_most_parsers_start_from_something_well_formed() -> None:
    known = [name for name in parsers() if not name.startswith("verifier.wire")]
    accepted = [name for name in known if len(corpus(parsers()[name])) < len(seeds())]
    assert len(accepted) > 0.8 * len(known)
