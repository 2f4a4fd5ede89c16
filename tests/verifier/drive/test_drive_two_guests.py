"""Two machines of one release side by side, and whoever stands between them and a client."""

from __future__ import annotations

import os
import pwd
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.node.tls import TlsStream
from tests.deployment import VCPU_TYPE, LoggedImage
from tests.verifier.drive.deployed import LOOPBACK, LyingServer, evidence_of, http, session
from tests.verifier.measurement.test_measurement_differential import theirs
from verifier.appraisal.drive.driven import Start
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.client.session import SessionEvidence
from verifier.client.tls import TlsClient
from verifier.drive.machine import Machine, booted
from verifier.evidence.snp_report import parse_report
from verifier.measurement.sev_snp import VCPU_SIGNATURES, Vmm
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    NONCE_MEDIA_TYPE,
    EvidenceAnswer,
    encode_evidence,
    parse_evidence,
)
from verifier.wire.service import (
    COUNTERS_PATH,
    JSON_MEDIA_TYPE,
    Message,
    SummaryRequest,
    parse_counters,
)

pytestmark = pytest.mark.slow
SECONDS = 300
UNPRIVILEGED = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
LIMIT = 10**6
SECRET = SummaryRequest((Message("Ada", "Meet me at the pier. Bring the letter."),), 1)


@pytest.fixture(scope="module")
def guests(reference_image: LoggedImage, qemu: str) -> Iterator[tuple[Machine, ...]]:
    assert qemu
    with ExitStack() as stack:
        machines = [stack.enter_context(booted(reference_image.boot())) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(lambda machine: machine.wait(SECONDS), machines))
        assert [each.start for each in ended] == [Start.READY, Start.READY], ended
        yield tuple(machines)


def failures(verdict: Verdict) -> dict[str, tuple[str, str]]:
    found = [each for each in verdict.findings if each.status == "fail"]
    return {each.check: (each.expected, each.got) for each in found}


def binds_another_session(verdict: Verdict, evidence: SessionEvidence) -> None:
    """All that fails is that the report binds something else than this session."""
    assert verdict.outcome is Outcome.FAILED
    ((check, (expected, got)),) = failures(verdict).items()
    assert check == "snp.report_data"
    reported = parse_report(evidence.answer.report).report_data.hex()
    assert reported in got
    assert reported not in expected
    assert re.search("[0-9a-f]{128}", expected)


def ask_for_evidence(client: TlsClient, nonce: bytes) -> EvidenceAnswer:
    answer = client.exchange("POST", EVIDENCE_PATH, nonce, media_type=NONCE_MEDIA_TYPE, limit=LIMIT)
    assert (answer.status, answer.media_type) == (200, EVIDENCE_MEDIA_TYPE)
    return parse_evidence(answer.content)


class Relay(LyingServer):
    """Ends TLS with a key of its own, and speaks TLS to the guests, so that it reads everything."""

    def __init__(self, *, evidence_from: TlsClient, words_to: TlsClient) -> None:
        super().__init__(self._carry)
        self._evidence_from = evidence_from
        self._words_to = words_to

    def _carry(self, body: bytes, _: TlsStream) -> bytes:
        method, path, _version = self.heads[-1].split(b"\r\n")[0].decode().split(" ")
        asks = path == EVIDENCE_PATH
        onward, kind = (
            (self._evidence_from, NONCE_MEDIA_TYPE) if asks else (self._words_to, JSON_MEDIA_TYPE)
        )
        answer = onward.exchange(method, path, body, media_type=kind, limit=LIMIT)
        return http(answer.content, answer.media_type, answer.status)


@contextmanager
def relay(*, evidence_from: Machine, words_to: Machine) -> Iterator[tuple[int, LyingServer]]:
    """The port of a relay in front of two guests, and what it has read."""
    with session(evidence_from.port) as one, session(words_to.port) as other:
        between = Relay(evidence_from=one, words_to=other)
        with between.serving() as port:
            yield port, between


# Must show 7.


def test_each_guest_is_verified_on_its_own_session(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    found = [evidence_of(guest.port) for guest in guests]
    assert [reference_image.judge(each).outcome for each in found] == [Outcome.VERIFIED] * 2
    # One release, one measurement: nothing but the session can tell them apart.
    assert len({parse_report(each.answer.report).measurement for each in found}) == 1
    assert len({each.binding.spki_sha256 for each in found}) == 2


def test_a_relay_answers_an_unchecking_client(guests: tuple[Machine, ...]) -> None:
    # It works: so it is the binding alone that the next tests are refused by.
    with relay(evidence_from=guests[0], words_to=guests[1]) as (port, server):
        with session(port) as client:
            answer = client.exchange("GET", COUNTERS_PATH, b"", media_type="", limit=LIMIT)
        assert parse_counters(answer.content)["connections"] >= 1
        assert len(server.heads) == 1


@pytest.mark.parametrize("words_to", [0, 1])
def test_evidence_that_a_relay_fetches_for_another_session_fails(
    reference_image: LoggedImage, guests: tuple[Machine, ...], words_to: int
) -> None:
    with relay(evidence_from=guests[0], words_to=guests[words_to]) as (port, server):
        evidence = evidence_of(port)
        # The client's own nonce reached a genuine guest, and the answer is a genuine one.
        assert server.bodies == [evidence.nonce]
    binds_another_session(reference_image.judge(evidence), evidence)


def test_evidence_of_one_guest_fails_on_the_session_of_the_other(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    # Even for one who holds the key of the other: same release, same role, the client's nonce.
    with session(guests[0].port) as ours:
        evidence = evidence_of(guests[1].port)
        foreign = ask_for_evidence(ours, evidence.nonce)
    assert reference_image.judge(evidence).outcome is Outcome.VERIFIED
    crossed = replace(evidence, answer=foreign)
    binds_another_session(reference_image.judge(crossed), crossed)


def test_the_same_nonce_on_another_session_of_one_guest_fails(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    evidence = evidence_of(guests[0].port)
    with session(guests[0].port) as later:
        repeated = replace(evidence, answer=ask_for_evidence(later, evidence.nonce))
    binds_another_session(reference_image.judge(repeated), repeated)


def test_replayed_evidence_fails(reference_image: LoggedImage, guests: tuple[Machine, ...]) -> None:
    recorded = evidence_of(guests[0].port)
    assert reference_image.judge(recorded).outcome is Outcome.VERIFIED
    server = LyingServer(lambda *_: http(encode_evidence(recorded.answer), EVIDENCE_MEDIA_TYPE))
    with server.serving() as port:
        evidence = evidence_of(port)
    assert evidence.answer == recorded.answer
    assert server.bodies == [evidence.nonce]
    binds_another_session(reference_image.judge(evidence), evidence)


def test_a_whole_record_of_a_session_fails_for_a_fresh_nonce(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    recorded, fresh = evidence_of(guests[0].port), secrets.token_bytes(32)
    verdict = reference_image.judge(replace(recorded, nonce=fresh))
    assert verdict.outcome is Outcome.FAILED
    expected, got = failures(verdict)["session.binding"]
    assert fresh.hex() in expected
    assert recorded.nonce.hex() in got


def test_old_evidence_fails_within_its_own_session(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    with session(guests[0].port) as client:
        first = ask_for_evidence(client, secrets.token_bytes(32))
        nonce = secrets.token_bytes(32)
        exporter = client.export(nonce)
        certificate = client.certificate
    evidence = evidence_of(guests[0].port)
    binding = replace(evidence.binding, nonce=nonce, exporter=exporter, certificate=certificate)
    stale = replace(evidence, nonce=nonce, binding=binding, answer=first)
    binds_another_session(reference_image.judge(stale), stale)


# Must show 3, the booted half.


def test_the_report_has_the_digest_that_anyone_predicts(
    reference_image: LoggedImage, guests: tuple[Machine, ...]
) -> None:
    artifacts = reference_image.artifacts
    predicted = theirs(
        firmware=artifacts.firmware,
        kernel=artifacts.kernel,
        initrd=artifacts.initrd,
        cmdline=artifacts.cmdline,
        vcpus=1,
        vcpu_signature=VCPU_SIGNATURES[VCPU_TYPE],
        guest_features=0x1,
        vmm=Vmm.QEMU,
    )
    for guest in guests:
        report = parse_report(evidence_of(guest.port).answer.report)
        assert report.measurement == guest.measurement == predicted


# The machine around a guest.


def test_a_guest_is_reached_through_one_port_of_the_loopback_alone(
    guests: tuple[Machine, ...],
) -> None:
    for guest in guests:
        told = guest._monitor._execute("human-monitor-command", **{"command-line": "info network"})
        assert re.findall("type=user.*restrict=(on|off)", told) == ["on"]
        assert listening(guest.process_id) == [f"0100007F:{guest.port:04X}"]
        assert guest.address[0] == LOOPBACK


def listening(process_id: int) -> list[str]:
    """The TCP addresses on which a process listens, as the kernel writes them."""
    descriptors = Path(f"/proc/{process_id}/fd").iterdir()
    own = {str(each.readlink()) for each in descriptors if each.is_symlink()}
    tables = (Path(f"/proc/{process_id}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]


def test_a_guest_runs_as_nobody_in_particular(guests: tuple[Machine, ...]) -> None:
    for guest in guests:
        status = Path(f"/proc/{guest.process_id}/status").read_text()
        lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {int(each) for each in lines["Uid"].split()} == {UNPRIVILEGED}
        assert lines["CapEff"] == lines["CapPrm"] == "0" * 16
        assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")
