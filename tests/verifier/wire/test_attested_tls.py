"""The evidence answer: round trips, and every field with each thing wrong."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.evidence import report_data, snp_report
from verifier.evidence.certificate_table import MAX_TABLE
from verifier.release import statement
from verifier.release.dsse import MAX_ENVELOPE
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.wire import attested_tls
from verifier.wire.attested_tls import (
    MAGIC,
    MAX_EVIDENCE,
    REPORT_SIZE,
    EvidenceAnswer,
    encode_evidence,
    parse_evidence,
)
from verifier.wire.sealed import SEALING_KEY_SIZE

ANSWER = EvidenceAnswer(
    role="summariser",
    report=bytes(range(256)) * 4 + bytes(160),
    certificate_table=bytes(24),
    release_entry=b"{}",
    release_proof=b"c2sp.org/tlog-proof@v1\n",
    sealing_key=bytes(range(256)) * 4 + bytes(192),
)
RAW = encode_evidence(ANSWER)
NAMES = ("role", "report", "certificate table", "release entry", "release proof", "sealing key")


def raw(*fields: bytes, magic: bytes = MAGIC) -> bytes:
    return magic + b"".join(struct.pack(">I", len(field)) + field for field in fields)


def fields() -> list[bytes]:
    return [
        b"summariser",
        ANSWER.report,
        ANSWER.certificate_table,
        ANSWER.release_entry,
        ANSWER.release_proof,
        ANSWER.sealing_key,
    ]


def test_the_format_is_the_one_written_down() -> None:
    assert raw(*fields()) == RAW
    assert parse_evidence(RAW) == ANSWER


def test_its_facts_are_those_of_the_formats_that_it_carries() -> None:
    assert snp_report.SIZE == REPORT_SIZE
    assert statement.ROLE == attested_tls.ROLE
    assert report_data.NONCE_SIZE == attested_tls.NONCE_SIZE
    most = (63, REPORT_SIZE, MAX_TABLE, MAX_ENVELOPE, MAX_PROOF_SIZE, SEALING_KEY_SIZE)
    assert len(MAGIC) + sum(4 + size for size in most) == MAX_EVIDENCE


@given(
    st.from_regex(attested_tls.ROLE, fullmatch=True),
    st.binary(min_size=REPORT_SIZE, max_size=REPORT_SIZE),
    st.binary(max_size=200),
    st.binary(min_size=1, max_size=200),
    st.binary(min_size=1, max_size=200),
    st.binary(min_size=SEALING_KEY_SIZE, max_size=SEALING_KEY_SIZE),
)
def test_what_is_written_is_read(  # noqa: PLR0917 - the fields of the format
    role: str, report: bytes, table: bytes, entry: bytes, proof: bytes, sealing_key: bytes
) -> None:
    answer = EvidenceAnswer(
        role=role,
        report=report,
        certificate_table=table,
        release_entry=entry,
        release_proof=proof,
        sealing_key=sealing_key,
    )
    assert parse_evidence(encode_evidence(answer)) == answer


@given(st.binary(max_size=300))
def test_only_one_spelling_is_read(tail: bytes) -> None:
    try:
        answer = parse_evidence(MAGIC + tail)
    except AuditError:
        return
    assert encode_evidence(answer) == MAGIC + tail


@given(st.integers(0, len(RAW) - 1))
def test_a_cut_answer_is_refused(size: int) -> None:
    with pytest.raises(ParseError):
        parse_evidence(RAW[:size])


def test_another_format_is_refused() -> None:
    with rejects(ParseError, "evidence answer", expected="CVMATLS1", got="NOTATLS1"):
        parse_evidence(raw(*fields(), magic=b"NOTATLS1"))
    with rejects(UnsupportedError, "evidence answer", expected="CVMATLS1", got="CVMATLS2"):
        parse_evidence(raw(*fields(), magic=b"CVMATLS2"))


@pytest.mark.parametrize(
    ("place", "size", "expected"),
    [
        (0, 0, "1 to 63 bytes"),
        (0, 64, "1 to 63 bytes"),
        (1, 0, "1184 bytes"),
        (1, 1183, "1184 bytes"),
        (1, 1185, "1184 bytes"),
        (2, MAX_TABLE + 1, f"0 to {MAX_TABLE} bytes"),
        (3, 0, f"1 to {MAX_ENVELOPE} bytes"),
        (3, MAX_ENVELOPE + 1, f"1 to {MAX_ENVELOPE} bytes"),
        (4, 0, f"1 to {MAX_PROOF_SIZE} bytes"),
        (4, MAX_PROOF_SIZE + 1, f"1 to {MAX_PROOF_SIZE} bytes"),
        (5, SEALING_KEY_SIZE - 1, f"{SEALING_KEY_SIZE} bytes"),
        (5, SEALING_KEY_SIZE + 1, f"{SEALING_KEY_SIZE} bytes"),
    ],
)
def test_a_field_of_another_size_is_refused(place: int, size: int, expected: str) -> None:
    changed = fields()
    changed[place] = b"a" * size
    what = f"{NAMES[place]} of the evidence answer"
    with rejects(ParseError, what, expected=f"^{expected}$", got=f"^{size}$"):
        parse_evidence(raw(*changed))


def test_a_length_is_believed_only_if_the_bytes_are_there() -> None:
    what = "sealing key of the evidence answer"
    with rejects(ParseError, what, expected="^1216 bytes$", got="^1215$"):
        parse_evidence(RAW[:-1])
    with rejects(ParseError, what, expected="4 bytes of length", got="^3$"):
        parse_evidence(raw(*fields()[:5]) + bytes(3))
    with rejects(ParseError, "evidence answer", expected=f"^{len(RAW)} bytes$", got="^1 more$"):
        parse_evidence(RAW + b"\x00")


@pytest.mark.parametrize("role", [b"Summariser", b"1st", b"a b", b"a\n", "ä".encode()])
def test_a_name_that_is_no_role_is_refused(role: bytes) -> None:
    what = "role of the evidence answer"
    with rejects(ParseError, what, expected="^text like", got="."):
        parse_evidence(raw(role, *fields()[1:]))


def test_a_role_that_is_no_text_is_refused() -> None:
    with rejects(ParseError, "role of the evidence answer", expected="UTF-8", got="byte 1"):
        parse_evidence(raw(b"a\xff", *fields()[1:]))


def test_what_no_answer_can_say_is_not_written() -> None:
    for changed in (replace(ANSWER, role="No"), replace(ANSWER, report=b"")):
        with pytest.raises(ValueError, match="not an evidence answer"):
            encode_evidence(changed)
