"""``drive-record/v1``: what whoever drove a release wrote down of the drive, beside the evidence.

Nobody has signed it and nobody can repeat it from the bundle: it is the word of whoever drove.
Source: docs/spec/drive.md; schemas/drive-record.v1.schema.json is the public contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import rfc8785

from verifier.errors import ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import first_repeated, parse_json

__all__ = [
    "MAX_DRIVE_RECORD",
    "MAX_RECORDED_TEXT",
    "SCHEMA",
    "Accelerator",
    "DriveRecord",
    "Level",
    "RecordedCheck",
    "encode_drive_record",
    "parse_drive_record",
]

SCHEMA = "cvm-audit/drive-record/v1"

MAX_DRIVE_RECORD = 1024 * 1024
"""Most bytes of a document."""

MAX_RECORDED_TEXT = 1024
"""Most characters of an expected or observed value."""

_WHAT = "drive record"
_CHECK = r"drive\.[a-z_.]{1,80}"
_QEMU = r"([0-9]{1,4}\.[0-9]{1,4})?"
_TEXT = rf"[\s\S]{{0,{MAX_RECORDED_TEXT}}}"
_STATUSES = ("error", "fail", "pass", "skip")


class Level(StrEnum):
    """What stood between the logged bytes and the answer, strongest first.

    ``SNP_HARDWARE``: an SEV-SNP launch on this host. ``EMULATED_ENFORCED``: an emulated machine
    whose firmware was *seen* to refuse other bytes than those of the hash table. ``EMULATED``: the
    same machine, and nobody saw it refuse. ``PROCESS``: the unpacked image as processes of this
    host; no firmware, no measured boot.
    """

    SNP_HARDWARE = "snp-hardware"
    EMULATED_ENFORCED = "emulated-enforced"
    EMULATED = "emulated"
    PROCESS = "process"


class Accelerator(StrEnum):
    """What runs the code of the guest: QEMU in three ways, or bubblewrap without a machine."""

    SNP = "snp"
    KVM = "kvm"
    TCG = "tcg"
    BWRAP = "bwrap"


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """What came of one check of the drive; ``status`` is pass, fail, skip or error."""

    check: str
    status: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveRecord:
    """A drive in the words of whoever drove; believed by no one else.

    ``release`` and ``report`` are SHA-256 (32 bytes) of the entry that was driven and of the
    report that came back, None where none did. ``level`` is None where nothing served,
    ``accelerator`` where nothing ran; ``qemu`` is its version, N.N, empty without QEMU.
    """

    level: Level | None
    accelerator: Accelerator | None
    qemu: str
    release: bytes
    report: bytes | None
    checks: tuple[RecordedCheck, ...]


def parse_drive_record(raw: bytes) -> DriveRecord:
    """Read a document. Raises ParseError."""
    if len(raw) > MAX_DRIVE_RECORD:
        expected = f"at most {MAX_DRIVE_RECORD} bytes"
        raise ParseError(_WHAT, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    document.choice("schema", (SCHEMA,))
    level, accelerator = (
        _optional(document, name, tuple(kind))
        for name, kind in (("level", Level), ("accelerator", Accelerator))
    )
    record = DriveRecord(
        level=None if level is None else Level(level),
        accelerator=None if accelerator is None else Accelerator(accelerator),
        qemu=document.text("qemu", pattern=_QEMU),
        release=document.hex("releaseSha256", size=32),
        report=_digest(document, "reportSha256"),
        checks=tuple(_check(item) for item in document.objects("checks", minimum=1)),
    )
    document.end()
    twice = first_repeated(each.check for each in record.checks)
    if twice is not None:
        raise ParseError(f"{_WHAT}.checks", expected="each once", got=f"{twice} twice")
    return record


def _optional(document: JsonObject, name: str, choices: tuple[str, ...]) -> str | None:
    value = document.take(name)
    if value is None:
        return None
    if value not in choices:
        expected = f"{', '.join(choices)} or null"
        raise document.refuse(name, expected=expected, got=repr(value)[:60])
    return str(value)


def _digest(document: JsonObject, name: str) -> bytes | None:
    value = document.take(name)
    return None if value is None else JsonObject({name: value}, what=_WHAT).hex(name, size=32)


def _check(item: JsonObject) -> RecordedCheck:
    check = RecordedCheck(
        check=item.text("check", pattern=_CHECK),
        status=item.choice("status", _STATUSES),
        expected=item.text("expected", pattern=_TEXT),
        got=item.text("got", pattern=_TEXT),
    )
    item.end()
    return check


def encode_drive_record(record: DriveRecord) -> bytes:
    """Write a document in its canonical form (RFC 8785), on one line; ValueError if none can."""
    raw = rfc8785.dumps(
        {
            "accelerator": None if record.accelerator is None else str(record.accelerator),
            "checks": [
                {
                    "check": each.check,
                    "expected": each.expected,
                    "got": each.got,
                    "status": each.status,
                }
                for each in record.checks
            ],
            "level": None if record.level is None else str(record.level),
            "qemu": record.qemu,
            "releaseSha256": record.release.hex(),
            "reportSha256": None if record.report is None else record.report.hex(),
            "schema": SCHEMA,
        }
    )
    try:
        parse_drive_record(raw + b"\n")
    except ParseError as error:
        message = f"not a drive record: {error}"
        raise ValueError(message) from error
    return raw + b"\n"
