from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.making import changed
from tests.running import ROOT
from verifier.errors import ParseError
from verifier.evidence.drive_record import (
    MAX_DRIVE_RECORD,
    MAX_RECORDED_TEXT,
    Accelerator,
    DriveRecord,
    Level,
    RecordedCheck,
    encode_drive_record,
    parse_drive_record,
)

CHECKS = (
    RecordedCheck("drive.boot", "pass", "a guest that serves", "READY\nafter 8.0 s"),
    RecordedCheck("drive.tamper.no_table", "error", "", "\u202e \U0001f512"),
)
RECORD = DriveRecord(
    level=Level.EMULATED,
    accelerator=Accelerator.TCG,
    qemu="7.2",
    release=b"\x01" * 32,
    report=b"\x02" * 32,
    checks=CHECKS,
)
NOTHING = DriveRecord(
    level=None, accelerator=None, qemu="", release=bytes(32), report=None, checks=CHECKS[:1]
)
SCHEMA: dict[str, Any] = json.loads(
    (ROOT / "schemas" / "drive-record.v1.schema.json").read_text("utf-8")
)


def document() -> dict[str, Any]:
    members = json.loads(encode_drive_record(RECORD))
    assert isinstance(members, dict)
    return members


@pytest.mark.parametrize("record", [RECORD, NOTHING])
def test_what_is_written_is_read(record: DriveRecord) -> None:
    raw = encode_drive_record(record)
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == 1
    assert parse_drive_record(raw) == record
    jsonschema.validate(json.loads(raw), SCHEMA)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("accelerator", list(Accelerator))
def test_every_choice_is_read(level: Level, accelerator: Accelerator) -> None:
    record = replace(RECORD, level=level, accelerator=accelerator)
    raw = encode_drive_record(record)
    assert parse_drive_record(raw) == record
    jsonschema.validate(json.loads(raw), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "what", "expected"),
    [
        ("schema", "cvm-audit/drive-record/v2", "schema", "cvm-audit/drive-record/v1"),
        ("schema", ..., "schema", "the member"),
        (
            "level",
            "hardware",
            "level",
            "snp-hardware, emulated-enforced, emulated, process or null",
        ),
        ("level", ["process"], "level", "or null"),
        ("level", ..., "level", "the member"),
        ("accelerator", "TCG", "accelerator", "snp, kvm, tcg, bwrap or null"),
        ("accelerator", ..., "accelerator", "the member"),
        ("qemu", "7", "qemu", "text like"),
        ("qemu", None, "qemu", "a string"),
        ("releaseSha256", "00", "releaseSha256", "64 lower-case hex digits"),
        ("releaseSha256", None, "releaseSha256", "a string"),
        ("reportSha256", "00", "reportSha256", "64 lower-case hex digits"),
        ("reportSha256", 1, "reportSha256", "a string"),
        ("reportSha256", ..., "reportSha256", "the member"),
        ("checks", [], "checks", "1 to 1024 members"),
        ("checks", {}, "checks", "an array"),
        ("checks/0/check", "snp.vmpl", "checks[0].check", "text like"),
        ("checks/0/status", "info", "checks[0].status", "error or fail or pass or skip"),
        ("checks/1/expected", ..., "checks[1].expected", "the member"),
        ("checks/1/got", "x" * (MAX_RECORDED_TEXT + 1), "checks[1].got", "text like"),
        ("checks/1/more", 1, "checks[1]", "no unknown member"),
        ("more", 1, "", "no unknown member"),
    ],
)
def test_a_wrong_member_is_refused(path: str, value: object, what: str, expected: str) -> None:
    wrong = changed(document(), path, value)
    with pytest.raises(ParseError) as refused:
        parse_drive_record(json.dumps(wrong).encode())
    assert refused.value.what == ".".join(filter(None, ("drive record", what)))
    assert expected in refused.value.expected
    assert refused.value.got
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(wrong)


def test_a_check_stands_once() -> None:
    twice = changed(document(), "checks/1/check", "drive.boot")
    with pytest.raises(ParseError) as refused:
        parse_drive_record(json.dumps(twice).encode())
    assert (refused.value.what, refused.value.expected, refused.value.got) == (
        "drive record.checks",
        "each once",
        "drive.boot twice",
    )


def test_too_much_and_no_json() -> None:
    with pytest.raises(ParseError) as refused:
        parse_drive_record(b" " * (MAX_DRIVE_RECORD + 1))
    assert refused.value.expected == f"at most {MAX_DRIVE_RECORD} bytes"
    with pytest.raises(ParseError, match="an object"):
        parse_drive_record(b"[]")


def test_what_no_document_can_say_is_not_written() -> None:
    for record in (
        replace(RECORD, release=b""),
        replace(RECORD, checks=()),
        replace(RECORD, qemu="x"),
    ):
        with pytest.raises(ValueError, match="not a drive record"):
            encode_drive_record(record)
