"""Both sources of reports: what they accept, what they refuse, and that they go one by one."""

from __future__ import annotations

import errno
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.node.evidence_source import ConfigfsTsm, SimulatedProcessor, find_configfs_tsm
from tests.pipeline.node.guests import TABLE, Reply, framed, honest, processor, report
from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, FetchError, ParseError, VerificationError
from verifier.evidence.certificate_table import MAX_TABLE

QUESTION = b"\x22" * 64
OTHER = b"\x23" * 64


def test_a_processor_answers() -> None:
    with processor() as channel:
        source = SimulatedProcessor(channel)
        own = source.fetch_evidence(QUESTION)
        assert own.report.report_data == QUESTION
        assert own.raw[0x50:0x90] == QUESTION
        assert own.certificate_table == TABLE
        assert source.fetch_evidence(OTHER).report.report_data == OTHER
        assert source.label == "simulated-processor"


@pytest.mark.parametrize(
    ("reply", "error", "what", "expected", "got"),
    [
        (
            lambda _: framed(report(OTHER), TABLE),
            VerificationError,
            "REPORT_DATA",
            QUESTION.hex(),
            OTHER.hex(),
        ),
        (
            lambda q: framed(report(q)[:-1], TABLE),
            ParseError,
            "length on processor",
            "^1184 to 1184 bytes$",
            "^1183$",
        ),
        (
            lambda q: framed(report(q)) + struct.pack("<I", MAX_TABLE + 1),
            ParseError,
            "length on processor",
            f"^0 to {MAX_TABLE} bytes$",
            f"^{MAX_TABLE + 1}$",
        ),
        (lambda _: b"\x00", FetchError, "processor", "an answer in time", "none"),
    ],
)
def test_a_wrong_answer_is_refused(
    reply: Reply, error: type[AuditError], what: str, expected: str, got: str
) -> None:
    with processor(reply) as channel:
        source = SimulatedProcessor(channel, timeout=0.3)
        with rejects(error, what, expected=expected, got=got):
            source.fetch_evidence(QUESTION)


def test_what_is_no_report_is_refused() -> None:
    with processor(lambda _: framed(bytes(1184), TABLE)) as channel, pytest.raises(AuditError):
        SimulatedProcessor(channel).fetch_evidence(QUESTION)


def test_after_a_failure_no_late_answer_is_taken_for_the_next() -> None:
    def late(question: bytes) -> bytes:
        time.sleep(0.5)
        return honest(question)

    with processor(late) as channel:
        source = SimulatedProcessor(channel, timeout=0.2)
        with rejects(FetchError, "processor", expected="an answer in time", got="none"):
            source.fetch_evidence(QUESTION)
        time.sleep(0.6)
        with rejects(FetchError, "processor", expected="in step", got="it failed before"):
            source.fetch_evidence(OTHER)


def test_an_answer_too_many_is_refused() -> None:
    with processor(lambda q: honest(q) + b"\x00") as channel:
        source = SimulatedProcessor(channel)
        source.fetch_evidence(QUESTION)
        time.sleep(0.1)
        with rejects(ParseError, "processor", expected="nothing before", got="bytes"):
            source.fetch_evidence(OTHER)


def test_questions_go_one_by_one() -> None:
    busy = threading.Lock()

    def alone(question: bytes) -> bytes:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        busy.release()
        return honest(question)

    questions = [bytes([number]) * 64 for number in range(12)]
    with processor(alone) as channel, ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(SimulatedProcessor(channel).fetch_evidence, questions))
    assert [own.report.report_data for own in answers] == questions


class Kernel:
    """The folder of configfs: making an entry makes its files, as the kernel does."""

    def __init__(self, root: Path, **files: bytes) -> None:
        self.root = root
        self.files = {
            "provider": b"sev_guest\n",
            "generation": b"1\n",
            "outblob": report(QUESTION),
            "auxblob": TABLE,
        } | files

    def make(self, entry: Path) -> None:
        entry.mkdir()
        for name, content in self.files.items():
            (entry / name).write_bytes(content)

    @staticmethod
    def remove(entry: Path) -> None:
        shutil.rmtree(entry)

    def source(self) -> ConfigfsTsm:
        return ConfigfsTsm(self.root, make=self.make, remove=self.remove)


def test_configfs_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    own = kernel.source().fetch_evidence(QUESTION)
    assert (own.report.report_data, own.certificate_table) == (QUESTION, TABLE)
    assert kernel.source().label == "configfs-tsm"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "error", "expected", "got"),
    [
        ("provider", b"tdx_guest\n", VerificationError, "sev_guest", "tdx_guest"),
        ("generation", b"2\n", VerificationError, "1", "2"),
        ("outblob", bytes(1185), ParseError, "at most 1184 bytes", "more"),
        ("auxblob", bytes(MAX_TABLE + 1), ParseError, f"at most {MAX_TABLE} bytes", "more"),
    ],
)
def test_configfs_answers_are_checked(
    name: str, content: bytes, error: type[AuditError], expected: str, got: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder), **{name: content})
        with rejects(error, name, expected=expected, got=got):
            kernel.source().fetch_evidence(QUESTION)
        assert not list(Path(folder).iterdir())


def test_configfs_answers_another_question(tmp_path: Path) -> None:
    source = Kernel(tmp_path, outblob=report(OTHER)).source()
    with rejects(VerificationError, "REPORT_DATA", expected="2222", got="2323"):
        source.fetch_evidence(QUESTION)


def failing(number: int) -> Callable[[Path], None]:
    def make(_entry: Path) -> None:
        raise OSError(number, "refused")

    return make


def test_a_kernel_that_refuses_is_said(tmp_path: Path) -> None:
    source = ConfigfsTsm(tmp_path, make=failing(errno.EBUSY), remove=Kernel.remove)
    with rejects(FetchError, "configfs-tsm", expected="a report", got="refused"):
        source.fetch_evidence(QUESTION)


def test_the_kernel_says_whether_there_is_a_provider(tmp_path: Path) -> None:
    assert find_configfs_tsm(tmp_path, make=failing(errno.ENXIO)) is None
    assert find_configfs_tsm(tmp_path / "tsm" / "report") is None
    found = find_configfs_tsm(tmp_path, make=Kernel(tmp_path).make, remove=Kernel.remove)
    assert isinstance(found, ConfigfsTsm)
    assert not list(tmp_path.iterdir())
    with pytest.raises(PermissionError):
        find_configfs_tsm(tmp_path, make=failing(errno.EACCES))
