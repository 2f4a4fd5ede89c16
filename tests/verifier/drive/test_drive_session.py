"""Evidence binds the session that it was given in, and nothing is asked before it is VERIFIED."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from OpenSSL import SSL

from pipeline.node.tls import TlsStream, make_context, make_identity
from tests.verifier.drive.deployed import (
    LOOPBACK,
    Deployment,
    Liar,
    LyingServer,
    Respond,
    deployment,
    evidence_of,
    http,
    session,
)
from verifier.appraisal.verdict import Outcome
from verifier.client.session import AttestedSession, SessionEvidence, collect_evidence
from verifier.client.tls import connected
from verifier.drive.challenge import make_challenge, pose
from verifier.errors import AuditError, FetchError, ParseError, VerificationError
from verifier.evidence.snp_report import parse_report
from verifier.library import NotVerifiedError
from verifier.wire.attested_tls import (
    EVIDENCE_MEDIA_TYPE,
    EVIDENCE_PATH,
    MAX_EVIDENCE,
    encode_evidence,
)
from verifier.wire.sealed import BUCKETS, SEALED_MEDIA_TYPE, SealingKey
from verifier.wire.service import (
    STYLES,
    Message,
    RewriteRequest,
    SummaryRequest,
)
from verifier.wire.workload.chat import START, chat
from verifier.wire.workload.phrases import PHRASES
from verifier.wire.workload.summary import summarise


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("nodes"), nodes=2) as made:
        yield made


def test_a_verified_session_answers_as_predicted(deployed: Deployment) -> None:
    for port in deployed.ports:
        with session(port) as client:
            evidence = collect_evidence(client)
            verified = deployed.verify(evidence)
            assert verified.verdict.outcome is Outcome.VERIFIED
            assert verified.verdict.platform == "simulated"
            assert pose(AttestedSession(client, evidence, verified), make_challenge()) == 10


def test_two_sessions_with_one_node_have_other_bindings(deployed: Deployment) -> None:
    first, second = (evidence_of(deployed.ports[0]) for _ in range(2))
    assert first.binding.spki_sha256 == second.binding.spki_sha256
    assert first.binding.exporter != second.binding.exporter
    assert first.nonce != second.nonce
    assert first.answer.report != second.answer.report


def refused(
    deployed: Deployment, respond: Respond
) -> tuple[LyingServer, SessionEvidence, NotVerifiedError]:
    """What a client makes of a server that answers its nonce so."""
    server = LyingServer(respond)
    with server.serving() as port, session(port) as client:
        evidence = collect_evidence(client)
        with pytest.raises(NotVerifiedError) as caught:
            deployed.verify(evidence)
    return server, evidence, caught.value


def failures(error: NotVerifiedError) -> dict[str, tuple[str, str]]:
    found = [each for each in error.verdict.findings if each.status == "fail"]
    return {each.check: (each.expected, each.got) for each in found}


def test_a_relayed_session_is_refused(deployed: Deployment) -> None:
    # Must show 7: the nonce reaches a genuine CVM, and its evidence comes back over another key.
    def relay(nonce: bytes, _: TlsStream) -> bytes:
        with session(deployed.ports[0]) as genuine:
            answer = genuine.exchange(
                "POST", EVIDENCE_PATH, nonce, media_type="application/octet-stream", limit=10**6
            )
        return http(answer.content, answer.media_type)

    server, evidence, error = refused(deployed, relay)
    assert error.verdict.outcome is Outcome.FAILED
    expected, got = failures(error)["snp.report_data"]
    assert evidence.answer.report[0x50:0x90].hex() in got
    assert expected != got
    assert list(failures(error)) == ["snp.report_data"]
    assert server.bodies == [evidence.nonce]


def test_evidence_of_another_node_is_refused(deployed: Deployment) -> None:
    # Both are genuine and of one release; only the session is another.
    ours, other = (evidence_of(port) for port in deployed.ports)
    assert deployed.verify(ours).verdict.outcome is Outcome.VERIFIED
    with pytest.raises(NotVerifiedError) as caught:
        deployed.verify(replace(ours, answer=other.answer))
    assert list(failures(caught.value)) == ["snp.report_data"]


def test_replayed_evidence_is_refused(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0])
    assert deployed.verify(recorded).verdict.outcome is Outcome.VERIFIED

    def replay(_nonce: bytes, _: TlsStream) -> bytes:
        return http(encode_evidence(recorded.answer), EVIDENCE_MEDIA_TYPE)

    server, evidence, error = refused(deployed, replay)
    assert list(failures(error)) == ["snp.report_data"]
    assert server.bodies == [evidence.nonce]


def test_a_replayed_binding_is_refused(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0])
    fresh = secrets.token_bytes(32)
    with pytest.raises(NotVerifiedError) as caught:
        deployed.verify(replace(recorded, nonce=fresh))
    expected, got = failures(caught.value)["session.binding"]
    assert fresh.hex() in expected
    assert recorded.nonce.hex() in got


def test_another_role_is_refused(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0])
    answer = replace(recorded.answer, role="guard")
    binding = replace(recorded.binding, role="guard")
    with pytest.raises(NotVerifiedError) as caught:
        deployed.verify(replace(recorded, answer=answer, binding=binding))
    assert failures(caught.value)["session.role"] == ("summariser", "guard")


def test_a_certificate_table_without_vcek_is_no_shorter_list(deployed: Deployment) -> None:
    recorded = evidence_of(deployed.ports[0])
    bare = replace(recorded, answer=replace(recorded.answer, certificate_table=b""))
    with pytest.raises(NotVerifiedError) as caught:
        deployed.verify(bare)
    assert caught.value.got == "NOT DETERMINED: snp.vek.format: it is missing"


def test_partial_is_not_enough(deployed: Deployment) -> None:
    with session(deployed.ports[0]) as client:
        evidence = collect_evidence(client)
        with pytest.raises(NotVerifiedError, match="PARTIAL") as caught:
            deployed.verify(evidence, report_data={"not_checked": "any session"})
        assert caught.value.verdict.outcome is Outcome.PARTIAL
        with pytest.raises(TypeError, match="VERIFIED"):
            AttestedSession(client, evidence, caught.value.verdict)  # type: ignore[arg-type]


def test_the_bundle_can_be_judged_again(deployed: Deployment) -> None:
    evidence = evidence_of(deployed.ports[0])
    files = evidence.bundle(policy=b"# mine\n", captured=datetime(2026, 11, 21, tzinfo=UTC))
    assert sorted(files) == [
        "bundle.json",
        "evidence/nonce.bin",
        "evidence/report.bin",
        "evidence/session-binding.json",
        "evidence/vek.der",
        "policy.toml",
        "release/entry.json",
        "release/entry.tlog-proof",
    ]
    assert files["policy.toml"] == b"# mine\n"


@pytest.mark.parametrize(
    ("answer", "error", "expected"),
    [
        (http(b"x", EVIDENCE_MEDIA_TYPE, 503), VerificationError, "status 200"),
        (http(b"x", "text/plain"), ParseError, EVIDENCE_MEDIA_TYPE),
        (http(b"x", EVIDENCE_MEDIA_TYPE), ParseError, "CVMATLS1"),
        (http(bytes(MAX_EVIDENCE + 1), EVIDENCE_MEDIA_TYPE), ParseError, "at most"),
        (b"220 ready\r\n\r\n", ParseError, "HTTP/1.1"),
        (b"HTTP/1.1 100 X\r\n\r\n", ParseError, "an answer"),
    ],
)
def test_a_wrong_answer_is_refused(answer: bytes, error: type[AuditError], expected: str) -> None:
    server = LyingServer(lambda _body, _stream: answer)
    with server.serving() as port, session(port) as client, pytest.raises(error) as caught:
        collect_evidence(client)
    assert expected in caught.value.expected
    assert caught.value.got


def test_an_answer_that_breaks_off_is_refused() -> None:
    def end(_body: bytes, stream: TlsStream) -> bytes:
        stream.send(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n", deadline=time.monotonic() + 5)
        stream.close()
        raise FetchError("test", expected="the end", got="the end")

    with (
        LyingServer(end).serving() as port,
        session(port) as client,
        pytest.raises((ParseError, FetchError)) as caught,
    ):
        collect_evidence(client)
    assert caught.value.expected in ("HTTP/1.1", "an answer")


def test_only_tls_1_3_is_spoken() -> None:
    context = make_context(make_identity("summariser"))
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    server = LyingServer(lambda _body, _stream: b"", context=context)
    with server.serving() as port, pytest.raises(VerificationError) as caught, session(port):
        pass
    assert (caught.value.what, caught.value.expected) == ("TLS", "TLS 1.3")
    assert "version" in caught.value.got
    assert server.received == 0


def test_silence_ends() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(FetchError) as caught, connected((LOOPBACK, port), seconds=0.3):
            pass
    assert caught.value.got == "nothing within 0.3 s"


def test_a_slow_drip_ends_too() -> None:
    def drip(listener: socket.socket) -> None:
        peer = listener.accept()[0]
        with peer:
            for byte in b"\x16\x03\x03\x40\x00" + bytes(100):
                try:
                    peer.sendall(bytes((byte,)))
                except OSError:
                    return
                time.sleep(0.05)

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        began = time.monotonic()
        port = listener.getsockname()[1]
        silence = pytest.raises(FetchError, match=r"nothing within 0\.5 s")
        with silence, connected((LOOPBACK, port), seconds=0.5):
            pass
    assert time.monotonic() - began < 3


def test_nobody_there() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError) as caught, session(port):
        pass
    assert caught.value.expected == "a connection"


@pytest.mark.parametrize(
    ("lie", "what"),
    [("summaries", "summary"), ("rewrites", "formal rewriting"), ("chats", "turn 1 of a chat")],
)
def test_a_wrong_answer_to_the_challenge_is_shown(lie: str, what: str) -> None:
    with pytest.raises(VerificationError) as caught:
        pose(Liar(lie), make_challenge())
    assert caught.value.what == f"answer to a challenge ({what})"
    assert caught.value.got == "'canned'"
    assert caught.value.expected not in ("", "'canned'")


def test_a_server_that_forgets_what_it_was_told_is_shown() -> None:
    with pytest.raises(VerificationError, match=r"turn [2-5] of a chat"):
        pose(Liar("memory"), make_challenge())


def test_who_tells_no_lie_passes() -> None:
    assert pose(Liar(""), make_challenge()) == 10


def test_evidence_attests_its_own_session_alone(deployed: Deployment) -> None:
    # Genuine, VERIFIED, and of another session: nothing may be said on this one.
    evidence = evidence_of(deployed.ports[0])
    verified = deployed.verify(evidence)
    with session(deployed.ports[0]) as client, pytest.raises(VerificationError) as caught:
        AttestedSession(client, evidence, verified)
    assert (caught.value.what, caught.value.expected) == (
        "session",
        "a verdict that binds this session",
    )


def test_another_sealing_key_is_refused(deployed: Deployment) -> None:
    with session(deployed.ports[0]) as client:
        evidence = collect_evidence(client)
        verified = deployed.verify(evidence)
        own = SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
        answer = replace(evidence.answer, sealing_key=own.public.raw)
        with pytest.raises(VerificationError, match="a verdict that binds this session"):
            AttestedSession(client, replace(evidence, answer=answer), verified)
        record = replace(evidence.binding, exporter=bytes(32))
        with pytest.raises(VerificationError, match="our own exporter value"):
            AttestedSession(client, replace(evidence, binding=record), verified)


def test_a_policy_that_binds_no_session_attests_none(deployed: Deployment) -> None:
    with session(deployed.ports[0]) as client:
        evidence = collect_evidence(client)
        said = parse_report(evidence.answer.report).report_data
        verified = deployed.verify(evidence, report_data=[said.hex()])
        with pytest.raises(VerificationError) as caught:
            AttestedSession(client, evidence, verified)
    assert caught.value.hint == 'the policy has to say: report_data = "session"'


def test_only_the_guest_reads_what_is_sealed(deployed: Deployment) -> None:
    # Whoever ends the TLS session in its place sees a seal, and its answer cannot be forged.
    with session(deployed.ports[0]) as client:
        evidence = collect_evidence(client)
        attested = AttestedSession(client, evidence, deployed.verify(evidence))
        server = LyingServer(
            lambda _body, _stream: http(bytes(BUCKETS[0] + 1136), SEALED_MEDIA_TYPE)
        )
        with server.serving() as port, session(port) as other:
            attested._client = other
            with pytest.raises(VerificationError) as caught:
                attested.rewrite(RewriteRequest("a secret that nobody else may read", "formal"))
    assert (caught.value.what, caught.value.got) == ("sealed response", "it does not open")
    assert b"secret" not in b"".join(server.bodies)
    assert len(server.bodies[0]) - 1136 in BUCKETS


def test_a_challenge_asks_for_everything() -> None:
    challenge = make_challenge()
    assert [request.style for request in challenge.rewrites] == list(STYLES)
    first, *others = challenge.turns
    assert first.messages
    assert not any(turn.messages for turn in others)
    state, replies = START, []
    for turn in challenge.turns:
        state, reply = chat(state, turn)
        replies.append(reply)
    assert replies[2] == PHRASES["en"].noted
    assert "You: My " in replies[3]
    assert len(replies[4].splitlines()) == 5


def test_challenges_differ_and_are_answered_differently() -> None:
    first, second = make_challenge(), make_challenge()
    assert first != second
    assert first.turns != second.turns
    assert summarise(first.summary) != summarise(second.summary)
    assert all(isinstance(message, Message) for message in first.summary.messages)
    assert isinstance(first.summary, SummaryRequest)


def test_the_folder_of_the_platform_keeps_no_chip_key(deployed: Deployment) -> None:
    names = {path.name for path in Path(deployed.platform).iterdir()}
    assert names == {"root.json", "ark-key.pem", "vendor-key.pem"}
