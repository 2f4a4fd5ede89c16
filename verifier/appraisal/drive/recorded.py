"""What a bundle says of the drive that it comes from: shown to the reader, and never a pass.

Anybody can write or leave out a record, so it raises no verdict. One that says that something was
not shown lowers it: whoever drove would not say so for nothing.
"""

from __future__ import annotations

import hashlib

from verifier.appraisal.findings import Finding, FindingClass, Status, finding
from verifier.errors import ParseError
from verifier.evidence.drive_record import DriveRecord, Level, parse_drive_record

__all__ = ["RECORD_ROLE", "recorded_drive"]

RECORD_ROLE = "drive-record"
"""Role of the member of a bundle."""

_CHECK = "drive.record"
_NOT_SHOWN = ("fail", "error")
_WHOSE = "recorded by whoever drove, not checked again"


def recorded_drive(
    raw: bytes, *, entry: bytes | None, report: bytes | None
) -> tuple[Finding, tuple[str, ...]]:
    """The finding, for information, and the checks that the record itself leaves unproven.

    ``entry`` and ``report`` are the members of the same bundle.
    """
    try:
        record = parse_drive_record(raw)
    except ParseError as error:
        return _finding(f"it cannot be read: {error}", FindingClass.INPUT), (_CHECK,)
    if (_digest(entry), _digest(report)) != (record.release, record.report):
        words = "it is of another release or another report than those of this bundle"
        return _finding(f"{_WHOSE}; {words}", FindingClass.INPUT), (_CHECK,)
    return _finding(f"{_WHOSE}: {_words(record)}", FindingClass.POLICY), _unproven(record)


def _unproven(record: DriveRecord) -> tuple[str, ...]:
    # A processor that signs for a program without having seen it start proves no measurement.
    measured = ("release.measurement",) if record.level is Level.PROCESS else ()
    return (*measured, *(each.check for each in record.checks if each.status in _NOT_SHOWN))


def _finding(got: str, cls: FindingClass) -> Finding:
    return finding(
        _CHECK,
        Status.INFO,
        expected="a drive of this release, in which this report was given",
        got=got,
        source=RECORD_ROLE,
        cls=cls,
    )


def _words(record: DriveRecord) -> str:
    by = [str(record.accelerator)] if record.accelerator is not None else []
    by += [f"QEMU {record.qemu}"] if record.qemu else []
    parts = [", ".join((f"level {record.level or 'none'}", *by))]
    for status in ("pass", "fail", "error", "skip"):
        names = [each.check for each in record.checks if each.status == status]
        parts += [f"{status}: {', '.join(names)}"] if names else []
    return "; ".join(parts)


def _digest(content: bytes | None) -> bytes | None:
    return None if content is None else hashlib.sha256(content).digest()
