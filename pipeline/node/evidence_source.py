"""Where a guest gets its attestation reports: Linux's configfs-tsm, or a simulated processor.

Both give evidence that nobody believes here: the client verifies its signature. What is checked is
that the report is one, and answers this question. Sources: Linux, Documentation/ABI/testing/
configfs-tsm; for the channel of the simulated processor docs/spec/attested-tls.md.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.node.channel import Channel
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.evidence.certificate_table import MAX_TABLE
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.tlog.strict import excerpt
from verifier.wire.attested_tls import REPORT_SIZE

__all__ = [
    "ConfigfsTsm",
    "EvidenceSource",
    "OwnEvidence",
    "SimulatedProcessor",
    "find_configfs_tsm",
]

_TIMEOUT = 30.0  # seconds for one report: firmware answers in milliseconds, an emulated guest waits
_PROVIDER = "sev_guest"
_ENTRY = "cvm-audit"
_Act = Callable[[Path], None]  # making and removing a folder are the kernel's entry points


@dataclass(frozen=True, slots=True)
class OwnEvidence:
    """A report as it came, the certificate table beside it (may be empty), and what it says."""

    raw: bytes
    certificate_table: bytes
    report: AttestationReport


class EvidenceSource(Protocol):
    """Gives one report at a time. ``label`` says to people what the reports are worth."""

    label: str

    def fetch_evidence(self, report_data: bytes) -> OwnEvidence:
        """A report over these 64 bytes. Raises AuditError."""


class SimulatedProcessor:
    """The simulated secure processor at the other end of a channel; it owns the channel.

    After a failure nobody knows whose answer comes next, so the channel is not used again.
    """

    label = "simulated-processor"

    def __init__(self, channel: Channel, *, timeout: float = _TIMEOUT) -> None:
        self._channel = channel
        self._timeout = timeout
        self._lock = threading.Lock()
        self._in_step = True

    def fetch_evidence(self, report_data: bytes) -> OwnEvidence:
        """A report over these 64 bytes. Raises FetchError, ParseError and VerificationError."""
        with self._lock:
            if not self._in_step:
                raise FetchError("processor", expected="a channel in step", got="it failed before")
            self._in_step = False
            raw, table = self._ask(report_data)
            self._in_step = True
        return _own_evidence(raw, table, report_data)

    def _ask(self, report_data: bytes) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + self._timeout
        self._channel.require_silence()
        self._channel.send(report_data, deadline=deadline)
        raw = self._channel.receive_field(fewest=REPORT_SIZE, most=REPORT_SIZE, deadline=deadline)
        table = self._channel.receive_field(fewest=0, most=MAX_TABLE, deadline=deadline)
        return raw, table


class ConfigfsTsm:
    """The kernel's interface to a real secure processor; ``root`` is its folder of reports."""

    label = "configfs-tsm"

    def __init__(self, root: Path, *, make: _Act = os.mkdir, remove: _Act = os.rmdir) -> None:
        self._root = root
        self._make = make
        self._remove = remove
        self._lock = threading.Lock()

    def fetch_evidence(self, report_data: bytes) -> OwnEvidence:
        """A report over these 64 bytes. Raises FetchError, ParseError and VerificationError."""
        with self._lock:
            try:
                raw, table = self._ask(report_data)
            except OSError as error:
                got = error.strerror or "an error"
                raise FetchError("configfs-tsm", expected="a report", got=got) from error
        return _own_evidence(raw, table, report_data)

    def _ask(self, report_data: bytes) -> tuple[bytes, bytes]:
        entry = self._root / _ENTRY
        self._make(entry)
        try:
            _require("provider", (entry / "provider").read_bytes().strip(), _PROVIDER.encode())
            (entry / "inblob").write_bytes(report_data)
            raw = _read(entry / "outblob", REPORT_SIZE)
            table = _read(entry / "auxblob", MAX_TABLE)
            # One write was made, so any other count says that somebody else asked meanwhile.
            _require("generation", (entry / "generation").read_bytes().strip(), b"1")
        finally:
            self._remove(entry)
        return raw, table


def find_configfs_tsm(
    root: Path, *, make: _Act = os.mkdir, remove: _Act = os.rmdir
) -> ConfigfsTsm | None:
    """The kernel's interface if a secure processor stands behind it, else None.

    Without a provider the kernel refuses the folder with ENXIO; without the module there is no
    ``root`` (ENOENT). Any other refusal is an OSError.
    """
    probe = root / f"{_ENTRY}-probe"
    try:
        make(probe)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return None
        raise
    remove(probe)
    return ConfigfsTsm(root, make=make, remove=remove)


def _own_evidence(raw: bytes, table: bytes, report_data: bytes) -> OwnEvidence:
    report = parse_report(raw)
    if report.report_data != report_data:
        got = report.report_data.hex()
        raise VerificationError("REPORT_DATA", expected=report_data.hex(), got=got)
    return OwnEvidence(raw, table, report)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ParseError(path.name, expected=f"at most {most} bytes", got="more")
    return content


def _require(what: str, got: bytes, expected: bytes) -> None:
    if got != expected:
        raise VerificationError(what, expected=excerpt(expected), got=excerpt(got))
