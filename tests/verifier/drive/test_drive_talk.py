"""What a drive makes of a guest that answers: genuine nodes, and servers that lie."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from OpenSSL import SSL

from pipeline.node.tls import TlsStream, make_context, make_identity
from tests import making
from tests.verifier.drive.deployed import (
    ENTRY,
    LOOPBACK,
    MEASUREMENT,
    PROOF,
    Deployment,
    Liar,
    LyingServer,
    deployment,
    evidence_of,
    http,
    policy,
    policy_text,
)
from tests.verifier.drive.test_drive_machine import ARTIFACTS, SHAPE
from verifier.appraisal.drive.driven import Compared, Done, Stopped
from verifier.appraisal.findings import FindingClass, Status
from verifier.appraisal.verdict import Outcome
from verifier.client.session import files_of_bundle
from verifier.drive.attempt import attempt
from verifier.drive.machine import Machine
from verifier.drive.plan import Plan
from verifier.drive.sandbox import SandboxedGuest
from verifier.drive.talk import Talked, _answered, talk
from verifier.evidence.drive_record import (
    Accelerator,
    DriveRecord,
    Level,
    RecordedCheck,
    encode_drive_record,
)
from verifier.library import appraise_bundle
from verifier.wire.attested_tls import EVIDENCE_MEDIA_TYPE, encode_evidence


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("nodes"), nodes=1) as made:
        yield made


def plan(
    deployed: Deployment, *, entry: bytes = ENTRY, given: bytes | None = None, **rules: Any
) -> Plan:
    return Plan(
        artifacts=ARTIFACTS,
        entry=entry,
        proof=PROOF,
        shape=SHAPE,
        platform=deployed.platform,
        policy=policy(**rules),
        policy_text=policy_text(**rules),
        crl=given,
        roots=(deployed.root,),
        trusted_root=None,
        now=datetime.now(UTC).replace(microsecond=0),
        seconds=1,
        process=False,
        tamper=False,
    )


def machine(port: int, measurement: bytes | None = MEASUREMENT) -> Machine:
    """A machine that is looked at from outside only."""
    nothing = cast("Any", None)
    return Machine(
        qemu="7.2",
        port=port,
        measurement=measurement,
        process_id=0,
        since=time.monotonic(),
        serial=Path("serial.log"),
        _child=nothing,
        _monitor=nothing,
        _state=nothing,
    )


def test_a_genuine_guest_is_judged_and_asked(deployed: Deployment) -> None:
    talked = talk(machine(deployed.ports[0]), plan(deployed))
    assert talked.evidence is not None
    assert talked.evidence.outcome is Outcome.VERIFIED
    assert list(talked.seen) == [
        "drive.session",
        "drive.release",
        "drive.measurement",
        "drive.answer",
    ]
    release, answer = talked.seen["drive.release"], talked.seen["drive.answer"]
    assert isinstance(release, Compared)
    assert release.expected == release.got
    assert isinstance(answer, Done)
    assert answer.words.startswith("10 of 10 as predicted, ")
    assert "evidence/crl.der" not in talked.contents


def test_the_measurement_is_that_of_the_booted_bytes(deployed: Deployment) -> None:
    # The processors of these nodes sign any measurement: here it is not that of the artifacts.
    for measured, more in ((MEASUREMENT, ""), (None, ""), (b"\x01" * 48, "01" * 48)):
        talked = talk(machine(deployed.ports[0], measured), plan(deployed))
        seen = talked.seen["drive.measurement"]
        assert isinstance(seen, Compared)
        assert seen.expected != MEASUREMENT.hex()
        assert seen.got.startswith(MEASUREMENT.hex())
        assert seen.got.endswith(more or MEASUREMENT.hex())


def test_a_sandbox_measures_nothing(deployed: Deployment) -> None:
    port = deployed.ports[0]
    nothing = cast("Any", None)
    guest = SandboxedGuest(
        address=cast("Any", (LOOPBACK, port)),
        measurement=MEASUREMENT,
        since=time.monotonic(),
        _state=nothing,
        _errors=nothing,
        _child=nothing,
    )
    assert list(talk(guest, plan(deployed)).seen) == [
        "drive.session",
        "drive.release",
        "drive.answer",
    ]


def test_another_release_than_the_booted_one_is_seen(deployed: Deployment) -> None:
    other = making.entry(making.statement(MEASUREMENT, version="2.0.0"))
    seen = talk(machine(deployed.ports[0]), plan(deployed, entry=other)).seen["drive.release"]
    assert isinstance(seen, Compared)
    assert seen.expected != seen.got


def test_a_crl_goes_into_the_bundle_and_is_judged(deployed: Deployment) -> None:
    talked = talk(machine(deployed.ports[0]), plan(deployed, given=b"no CRL", crl="fresh"))
    assert talked.contents["evidence/crl.der"] == ("snp-crl", b"no CRL")
    assert talked.evidence is not None
    failed = [f.check for f in talked.evidence.findings if f.status is Status.FAIL]
    assert failed == ["snp.crl.format"]
    assert list(talked.seen) == ["drive.session"]


def test_nothing_is_asked_where_evidence_is_replayed(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0])

    def replay(_nonce: bytes, _: TlsStream) -> bytes:
        return http(encode_evidence(recorded.answer), EVIDENCE_MEDIA_TYPE)

    server = LyingServer(replay)
    with server.serving() as port:
        talked = talk(machine(port), plan(deployed))
    assert talked.evidence is not None
    assert talked.evidence.outcome is Outcome.FAILED
    assert list(talked.seen) == ["drive.session"]
    assert [len(body) for body in server.bodies] == [32]


def stopped_session(talked: Talked) -> Stopped:
    assert (talked.evidence, talked.report, talked.contents) == (None, None, {})
    (seen,) = talked.seen.values()
    assert list(talked.seen) == ["drive.session"]
    assert isinstance(seen, Stopped)
    return seen


@pytest.mark.parametrize(
    ("answer", "cls", "expected"),
    [
        (http(b"x", EVIDENCE_MEDIA_TYPE), FindingClass.INPUT, "CVMATLS1"),
        (http(b"x", "text/plain"), FindingClass.INPUT, EVIDENCE_MEDIA_TYPE),
        (b"220 ready\r\n\r\n", FindingClass.INPUT, "HTTP/1.1"),
        (http(b"x", EVIDENCE_MEDIA_TYPE, 503), FindingClass.SECURITY, "status 200"),
    ],
)
def test_garbage_is_a_failure(
    deployed: Deployment, answer: bytes, cls: FindingClass, expected: str
) -> None:
    with LyingServer(lambda _body, _stream: answer).serving() as port:
        seen = stopped_session(talk(machine(port), plan(deployed)))
    assert seen.cls is cls
    assert expected in seen.expected
    assert seen.got


def test_a_certificate_table_that_cannot_be_read_is_a_failure(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0]).answer
    broken = encode_evidence(replace(recorded, certificate_table=b"\xff" * 100))
    with LyingServer(lambda _body, _stream: http(broken, EVIDENCE_MEDIA_TYPE)).serving() as port:
        seen = stopped_session(talk(machine(port), plan(deployed)))
    assert seen.cls is FindingClass.INPUT


def test_an_older_tls_is_a_failure(deployed: Deployment) -> None:
    context = make_context(make_identity("summariser"))
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    server = LyingServer(lambda _body, _stream: b"", context=context)
    with server.serving() as port:
        seen = stopped_session(talk(machine(port), plan(deployed)))
    assert (seen.cls, seen.expected) == (FindingClass.SECURITY, "TLS 1.3")


def test_only_an_end_is_weather(deployed: Deployment) -> None:
    def end() -> None:
        listener.accept()[0].close()

    with socket.create_server((LOOPBACK, 0)) as listener:
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        seen = stopped_session(talk(machine(listener.getsockname()[1]), plan(deployed)))
        ending.join(10)
    assert seen.cls is FindingClass.INFRASTRUCTURE


def test_a_wrong_answer_is_a_failure(deployed: Deployment) -> None:
    seen = attempt(lambda: _answered(machine(deployed.ports[0]), Liar("summaries"), None))
    assert isinstance(seen, Stopped)
    assert (seen.cls, seen.got) == (
        FindingClass.SECURITY,
        "answer to a challenge (summary): 'canned'",
    )


def test_the_record_in_a_bundle_is_shown_and_changes_no_verdict(deployed: Deployment) -> None:
    made = plan(deployed)
    talked = talk(machine(deployed.ports[0]), made)
    assert talked.evidence is not None
    record = DriveRecord(
        level=Level.EMULATED_ENFORCED,
        accelerator=Accelerator.TCG,
        qemu="7.2",
        release=sha256(ENTRY).digest(),
        report=talked.report,
        checks=(RecordedCheck("drive.boot", "pass", "a guest that serves", "READY"),),
    )
    contents = {
        **talked.contents,
        "drive-record.json": ("drive-record", encode_drive_record(record)),
    }
    verdict = appraise_bundle(
        files_of_bundle(contents, captured=made.now),
        policy=made.policy,
        roots=made.roots,
        now=made.now,
        nonce=None,
    )
    (shown,) = [each for each in verdict.findings if each.check.startswith("drive.")]
    assert (shown.check, shown.status) == ("drive.record", Status.INFO)
    assert shown.got == (
        "recorded by whoever drove, not checked again: level emulated-enforced, tcg, QEMU 7.2; "
        "pass: drive.boot"
    )
    assert (verdict.outcome, verdict.level) == (Outcome.VERIFIED, "")
    assert len(verdict.findings) == len(talked.evidence.findings) + 1


def test_a_record_without_a_measured_boot_keeps_its_bundle_from_being_verified(
    deployed: Deployment,
) -> None:
    made = plan(deployed)
    talked = talk(machine(deployed.ports[0]), made)
    record = DriveRecord(
        level=Level.PROCESS,
        accelerator=Accelerator.BWRAP,
        qemu="",
        release=sha256(ENTRY).digest(),
        report=talked.report,
        checks=(RecordedCheck("drive.boot", "pass", "a guest that serves", "READY"),),
    )
    member = ("drive-record", encode_drive_record(record))
    verdict = appraise_bundle(
        files_of_bundle({**talked.contents, "drive-record.json": member}, captured=made.now),
        policy=made.policy,
        roots=made.roots,
        now=made.now,
        nonce=None,
    )
    assert verdict.outcome is Outcome.PARTIAL
    assert verdict.not_proven == ("release.measurement",)
