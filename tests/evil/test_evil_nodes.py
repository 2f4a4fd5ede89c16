"""The evil nodes by themselves: each does its evil, and otherwise works like the real one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.evil.node_other_answer import SAID
from tests.evil.node_tells_length import FIELD
from tests.evil.world import OTHER_MEASUREMENT, Cvm, World, running_cvm
from tests.pipeline.node.guests import Client, Response
from verifier.errors import ParseError
from verifier.evidence.report_data import report_data_of_session
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.wire.attested_tls import (
    EVIDENCE_PATH,
    EXPORTER_LABEL,
    EXPORTER_SIZE,
    NONCE_MEDIA_TYPE,
    EvidenceAnswer,
    parse_evidence,
)
from verifier.wire.sealed import (
    BUCKETS,
    MAX_SEALED,
    SEALED_MEDIA_TYPE,
    SEALED_PATH,
    SealedSession,
    SealingKey,
    open_response,
    seal_request,
)
from verifier.wire.service import (
    CHAT_PATH,
    SUMMARY_PATH,
    ChatRequest,
    Message,
    SummaryRequest,
    encode_chat_request,
    encode_summary_request,
    parse_chat_answer,
    parse_summary_answer,
)
from verifier.wire.workload import chat as chats
from verifier.wire.workload.summary import summarise

TOLD = (Message("Ann", "The boat leaves from pier seven on Friday at noon."),)
QUESTION = "When does the boat leave?"
TO_TELL = ChatRequest(TOLD, QUESTION)
TO_ASK = ChatRequest((), QUESTION)
SUMMARY = SummaryRequest((*TOLD, Message("Bob", "I will bring food for everybody.")), 1)
OVERHEAD = MAX_SEALED - BUCKETS[-1]


@contextmanager
def talking(cvm: Cvm) -> Iterator[Client]:
    with Client(cvm.address) as client:
        yield client


def evidence(client: Client, nonce: bytes) -> EvidenceAnswer:
    return parse_evidence(client.ask("POST", EVIDENCE_PATH, nonce, NONCE_MEDIA_TYPE).body)


def is_bound(client: Client, nonce: bytes, shown: EvidenceAnswer) -> bool:
    """Whether the report is about this very session."""
    spki = client.certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    expected = report_data_of_session(
        exporter=client.tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce),
        nonce=nonce,
        role=shown.role,
        spki_sha256=sha256(spki).digest(),
        sealing_key_sha256=sha256(shown.sealing_key).digest(),
    )
    return report(shown).report_data == expected


def report(shown: EvidenceAnswer) -> AttestationReport:
    return parse_report(shown.report)


def summary(client: Client) -> tuple[str, ...]:
    response = client.work(SUMMARY_PATH, encode_summary_request(SUMMARY))
    assert response.status == 200
    return parse_summary_answer(response.body)


def chat(client: Client, request: ChatRequest) -> str:
    response: Response = client.work(CHAT_PATH, encode_chat_request(request))
    assert response.status == 200
    return parse_chat_answer(response.body)


def predicted(*requests: ChatRequest) -> str:
    state, reply = chats.START, ""
    for request in requests:
        state, reply = chats.chat(state, request)
    return reply


def test_the_real_one_is_bound_remembers_nothing_and_prints_nothing(
    world: World, tmp_path: Path
) -> None:
    with running_cvm(world, tmp_path) as cvm:
        with talking(cvm) as client:
            nonce = os.urandom(32)
            assert is_bound(client, nonce, evidence(client, nonce))
            assert summary(client) == summarise(SUMMARY)
            assert chat(client, TO_TELL) == predicted(TO_TELL)
            assert chat(client, TO_ASK) == predicted(TO_TELL, TO_ASK)
        with talking(cvm) as client:
            assert chat(client, TO_ASK) == predicted(TO_ASK)
            assert predicted(TO_ASK) != predicted(TO_TELL, TO_ASK)
        assert cvm.console.read_text() == ""


def test_one_keeps_what_a_session_was_told(world: World, tmp_path: Path) -> None:
    with running_cvm(world, tmp_path, module="tests.evil.node_keeps") as cvm:
        with talking(cvm) as client:
            assert chat(client, TO_TELL) == predicted(TO_TELL)
        with talking(cvm) as client:
            assert chat(client, TO_ASK) == predicted(TO_TELL, TO_ASK)
            assert summary(client) == summarise(SUMMARY)


def test_one_knows_what_earlier_boots_were_told(world: World, tmp_path: Path) -> None:
    module = "tests.evil.node_keeps_on_disk"
    with running_cvm(world, tmp_path, module=module) as cvm:
        with talking(cvm) as client:
            assert chat(client, TO_TELL) == predicted(TO_TELL)
        with talking(cvm) as client:
            assert chat(client, TO_ASK) == predicted(TO_ASK)
    with running_cvm(world, tmp_path, module=module) as cvm, talking(cvm) as client:
        assert chat(client, TO_ASK) == predicted(TO_TELL, TO_ASK)
        assert summary(client) == summarise(SUMMARY)


def test_one_prints_what_it_is_asked(world: World, tmp_path: Path) -> None:
    with running_cvm(world, tmp_path, module="tests.evil.node_logs") as cvm, talking(cvm) as client:
        assert summary(client) == summarise(SUMMARY)
        assert TOLD[0].text in cvm.console.read_text()


def test_one_shows_evidence_of_an_earlier_session(world: World, tmp_path: Path) -> None:
    with running_cvm(world, tmp_path, module="tests.evil.node_replays") as cvm:
        shown = []
        for _ in range(2):
            with talking(cvm) as client:
                nonce = os.urandom(32)
                shown.append(evidence(client, nonce))
                assert not is_bound(client, nonce, shown[-1])
        assert shown[0] == shown[1]
        assert report(shown[0]).measurement == world.measurement


def test_one_shows_evidence_of_another_machine(world: World, tmp_path: Path) -> None:
    with (
        running_cvm(world, tmp_path / "other") as other,
        running_cvm(
            world,
            tmp_path / "twin",
            module="tests.evil.node_relays",
            more=("--other", f"{other.address[0]}:{other.address[1]}"),
        ) as cvm,
        talking(cvm) as client,
        talking(other) as aside,
    ):
        nonce = os.urandom(32)
        shown, honest = evidence(client, nonce), evidence(aside, nonce)
        assert not is_bound(client, nonce, shown)
        assert report(shown).chip_id == report(honest).chip_id
        assert client.certificate != aside.certificate


def test_one_serves_without_a_proof_and_as_another_program(world: World, tmp_path: Path) -> None:
    with running_cvm(
        world,
        tmp_path,
        module="tests.evil.node_unverified",
        measurement=OTHER_MEASUREMENT,
        proof_of=0,
    ) as cvm:
        with talking(cvm) as client:
            nonce = os.urandom(32)
            shown = evidence(client, nonce)
            assert is_bound(client, nonce, shown)
            assert shown.release_proof == world.log.proof(0)
            assert report(shown).measurement == OTHER_MEASUREMENT
            assert summary(client) == summarise(SUMMARY)
        assert cvm.console.read_text() == ""


def test_the_real_one_would_not_serve_so(world: World, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="REFUSED own MEASUREMENT"),
        running_cvm(world, tmp_path, measurement=OTHER_MEASUREMENT),
    ):
        pass
    with (
        pytest.raises(AssertionError, match="REFUSED inclusion proof"),
        running_cvm(world, tmp_path, proof_of=0),
    ):
        pass


def test_one_agrees_on_keys_as_before_quantum_computers(world: World, tmp_path: Path) -> None:
    module = "tests.evil.node_classical"
    with running_cvm(world, tmp_path, module=module) as cvm, talking(cvm) as client:
        assert client.tls.get_protocol_version_name() == "TLSv1.3"
        assert client.tls.get_group_name() == "secp256r1"
        assert summary(client) == summarise(SUMMARY)


def test_one_gives_another_answer(world: World, tmp_path: Path) -> None:
    module = "tests.evil.node_other_answer"
    with running_cvm(world, tmp_path, module=module) as cvm, talking(cvm) as client:
        assert summary(client) == SAID != summarise(SUMMARY)
        assert chat(client, TO_TELL) == predicted(TO_TELL)


@dataclass(frozen=True)
class AskedSealed:
    """A sealed request, and its answer as it came."""

    request: bytes
    key: SealingKey
    place: SealedSession
    answer: Response

    def opened(self) -> tuple[int, bytes]:
        place = self.place
        return open_response(self.answer.body, key=self.key, request=self.request, session=place)


def ask_sealed(client: Client, request: SummaryRequest) -> AskedSealed:
    to, place = client._agree()
    key = SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
    content = encode_summary_request(request)
    raw = seal_request(SUMMARY_PATH, content, to=to, reply_to=key.public.raw, session=place)
    answer = client.ask("POST", SEALED_PATH, raw, SEALED_MEDIA_TYPE)
    assert answer.status == 200
    return AskedSealed(raw, key, place, answer)


def test_one_tells_the_length_of_its_answers(world: World, tmp_path: Path) -> None:
    module = "tests.evil.node_tells_length"
    with running_cvm(world, tmp_path, module=module) as cvm, talking(cvm) as client:
        asked = [ask_sealed(client, replace(SUMMARY, sentences=count)) for count in (1, 2)]
    told = [len(each.answer.fields[FIELD.lower()]) for each in asked]
    assert told == [len(each.opened()[1]) for each in asked]
    assert told[0] != told[1]
    assert {len(each.answer.body) - OVERHEAD for each in asked} == {BUCKETS[0]}


def test_one_does_not_pad_its_answers(world: World, tmp_path: Path) -> None:
    module = "tests.evil.node_pads_not"
    with running_cvm(world, tmp_path, module=module) as cvm, talking(cvm) as client:
        asked = ask_sealed(client, SUMMARY)
    assert len(asked.answer.body) - OVERHEAD not in BUCKETS
    assert len(asked.answer.body) < OVERHEAD + 200
    with pytest.raises(ParseError) as refused:
        asked.opened()
    assert refused.value.expected == "a bucket of 1 KiB to 1 MiB"
