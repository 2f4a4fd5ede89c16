"""REPORT_DATA of a session: a golden value, and that every input counts."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.evidence.report_data import report_data_of_nonce, report_data_of_session

SESSION: dict[str, Any] = {
    "exporter": b"\x01" * 32,
    "nonce": b"\x02" * 32,
    "role": "summariser",
    "spki_sha256": b"\x03" * 32,
    "sealing_key_sha256": b"\x04" * 32,
}


def test_it_is_the_encoding_that_is_written_down() -> None:
    encoded = (
        b"cvm-audit/report-data/attested-tls/v1\x00"
        b"\x00\x20"
        + b"\x01" * 32
        + b"\x00\x20"
        + b"\x02" * 32
        + b"\x00\x0asummariser"
        + b"\x00\x20"
        + b"\x03" * 32
        + b"\x00\x20"
        + b"\x04" * 32
    )
    assert report_data_of_session(**SESSION) == hashlib.sha512(encoded).digest()
    assert (
        report_data_of_session(**SESSION)
        .hex()
        .startswith("53dffc888e8f213de94278c7ca575bfff25146117ff523fa5afddff92f217c5f")
    )


@pytest.mark.parametrize("name", list(SESSION))
def test_every_input_counts(name: str) -> None:
    other = "other" if name == "role" else b"\x09" * 32
    assert report_data_of_session(**SESSION | {name: other}) != report_data_of_session(**SESSION)


@given(st.binary(min_size=32, max_size=32))
def test_an_answer_to_a_nonce_binds_no_session(nonce: bytes) -> None:
    assert report_data_of_session(**SESSION | {"nonce": nonce}) != report_data_of_nonce(nonce)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"exporter": bytes(31)}, "an exporter value has 32 to 32 bytes, not 31"),
        ({"nonce": bytes(33)}, "a nonce has 32 to 32 bytes, not 33"),
        ({"role": ""}, "a role has 1 to 63 bytes, not 0"),
        ({"role": "a" * 64}, "a role has 1 to 63 bytes, not 64"),
        ({"spki_sha256": b""}, "a SHA-256 has 32 to 32 bytes, not 0"),
        ({"sealing_key_sha256": bytes(31)}, "a SHA-256 has 32 to 32 bytes, not 31"),
    ],
)
def test_a_wrong_size_is_the_callers_mistake(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        report_data_of_session(**SESSION | changes)
