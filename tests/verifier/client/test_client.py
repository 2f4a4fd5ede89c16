"""The attested client over a real path: what it says, to whom, and what it never says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.node.server import MAX_REQUESTS
from tests.key_documents import STRANGER
from tests.pipeline.roles import AUTHORITY, ISSUER_NAME, Listener, PathKeys, listening, until
from tests.running import ROOT, cvm_audit
from tests.verifier.client.scripted import http, scripted
from tests.verifier.client.walked import (
    CANARY,
    CHAT,
    Walked,
    logged_keys,
    policy_text,
    sent,
    switched_on,
    walked,
)
from tests.verifier.drive import deployed
from tests.verifier.drive.deployed import LyingServer
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import Policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.client import client as module
from verifier.client.client import AttestedClient
from verifier.client.deadline import Deadline
from verifier.client.endpoint import DirectEndpoint, Endpoint, Opened
from verifier.client.feature import Feature, FeatureOffError
from verifier.client.tls import connected
from verifier.client.transport import Transport
from verifier.client.tunnel import KeyRefusedError, TokenRefusedError, TunnelTransport
from verifier.drive.tap import Direction
from verifier.errors import AuditError, FetchError, PolicyError, VerificationError
from verifier.evidence.bundle import MANIFEST
from verifier.library import NotVerifiedError, verify_bundle
from verifier.wire.attested_tls import EVIDENCE_MEDIA_TYPE, encode_evidence
from verifier.wire.key_configuration import (
    KEYS_MEDIA_TYPE,
    LoggedConfiguration,
    encode_key_document,
)
from verifier.wire.ohttp import gateway_key
from verifier.wire.service import Message, SummaryRequest
from verifier.wire.workload.chat import MAX_TURNS
from verifier.wire.workload.summary import summarise

PREDICTED = summarise(SummaryRequest(tuple(Message(*each) for each in CHAT), 2))
DIRECT = ("evidence", "log", "release")
AT_NODE = 4000
"""Bytes that a client sends to a CVM for a handshake and a nonce: less; for any prompt: more."""


class Counting:
    """An endpoint that counts, and whose first ``failures`` openings raise."""

    def __init__(self, endpoint: Endpoint, *failures: AuditError) -> None:
        self._endpoint = endpoint
        self._failures = list(failures)
        self.opened = self.renewed = 0

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        self.opened += 1
        if self._failures:
            raise self._failures.pop(0)
        return self._endpoint.open(policy=policy, now=now, deadline=deadline)

    def renew(self) -> None:
        self.renewed += 1
        self._endpoint.renew()


def connections(whole: Walked) -> Mapping[str, int]:
    return {name: len(tap.recordings()) for name, tap in whole.taps.items()}


def at_node(whole: Walked) -> int:
    """The bytes that the last connection brought to the node."""
    return len(whole.taps["node"].recordings()[-1].content(Direction.THERE))


def only_failure(verdict: Verdict | None) -> str:
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILED
    (found,) = {f.check for f in verdict.findings if f.status is Status.FAIL}
    return found


# What it does.


def test_work_through_the_path(whole: Walked) -> None:
    with whole.client() as client:
        assert client.verdict is None
        assert (client.group, dict(client.bundle)) == ("", {})
        assert client.summarise(CHAT, sentences=2) == PREDICTED
        assert client.rewrite("hi there", style="formal")
        assert "tickets" in client.chat("Who has the tickets?", messages=CHAT)
        assert client.chat("When is the launch?")  # of what the session was given before
        assert client.group == "X25519MLKEM768"
        assert client.verdict is not None
        assert client.verdict.outcome is Outcome.VERIFIED
        assert {"evidence", "keys", "log", "release"} == set(client.verdict.stages)
    assert client.group == ""
    for tap in whole.taps.values():
        recorded = sent(tap)
        assert recorded
        assert CANARY not in recorded
    for name in ("keycdn", "relay", "gateway", "node"):
        assert whole.keys.bearer.encode() not in sent(whole.taps[name])


def test_work_on_a_plain_endpoint(whole: Walked) -> None:
    before = connections(whole)
    with whole.direct() as client:
        assert client.summarise(CHAT, sentences=2) == PREDICTED
        assert client.verdict is not None
        assert set(client.verdict.stages) == set(DIRECT)
    assert connections(whole) == before


def test_its_bundle_is_judged_again_by_anyone(whole: Walked, tmp_path: Path) -> None:
    with whole.client() as client:
        verdict = client.connect()
    for name, content in client.bundle.items():
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "policy.toml").write_bytes(policy_text())
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.json").write_bytes(
        (whole.folder / "platform" / "root.json").read_bytes()
    )
    ran = cvm_audit(
        *("evidence", "reverify", tmp_path / "bundle", "--policy", tmp_path / "policy.toml"),
        *("--trust-root", tmp_path / "trust", "--at", f"{verdict.instant:%Y-%m-%dT%H:%M:%SZ}"),
    )
    assert (ran.code, ran.last.split(" ")[0]) == (0, "VERIFIED"), ran.err
    (tmp_path / "bundle" / "path" / "keys.bin").write_bytes(b"CVMKEYS1")
    ran = cvm_audit(
        *("evidence", "reverify", tmp_path / "bundle", "--policy", tmp_path / "policy.toml"),
        *("--trust-root", tmp_path / "trust", "--at", f"{verdict.instant:%Y-%m-%dT%H:%M:%SZ}"),
    )
    assert (ran.code, "bundle.member" in ran.out) == (1, True)


def test_each_connection_is_judged_and_has_a_token_of_its_own(whole: Walked) -> None:
    before, endpoint = connections(whole), whole.endpoint(prefetch=2)
    bundles = []
    for _ in range(3):
        with whole.client(endpoint) as client:
            client.summarise(CHAT)
            bundles.append(client.bundle)
    assert len({bundle["evidence/nonce.bin"] for bundle in bundles}) == 3
    assert len({bundle["evidence/report.bin"] for bundle in bundles}) == 3
    made = {name: count - before[name] for name, count in connections(whole).items()}
    # Keys once; the directory once, and tokens two at a time.
    assert (made["keycdn"], made["issuer"], made["node"]) == (1, 5, 3)


def test_a_session_that_was_silent_is_replaced(
    whole: Walked, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(whole.endpoint())
    with whole.client(counting) as client:
        client.summarise(CHAT)
        client.summarise(CHAT)
        assert counting.opened == 1
        first = client.verdict
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
        assert client.summarise(CHAT, sentences=2) == PREDICTED
        assert counting.opened == 2
        assert client.verdict is not first
        client.chat("When is the launch?", messages=CHAT)
        opened = counting.opened
        # Another session would not know what was said in this one.
        assert client.chat("And the cake?")
        assert counting.opened == opened


def test_a_client_may_be_used_again_after_its_end(whole: Walked) -> None:
    client = whole.client()
    for _ in range(2):
        with client:
            assert client.summarise(CHAT, sentences=2) == PREDICTED


def test_a_request_that_no_cvm_takes_opens_nothing(whole: Walked) -> None:
    counting = Counting(whole.endpoint())
    with whole.client(counting) as client:
        for refused in (
            lambda: client.summarise(()),
            lambda: client.summarise(CHAT, sentences=99),
            lambda: client.rewrite("x", style="rude"),
            lambda: client.chat(""),
        ):
            with pytest.raises(ValueError, match="no request can say this"):
                refused()
        assert counting.opened == 0


# What it refuses before a byte of a prompt has left.


@pytest.mark.parametrize(
    ("rules", "check"),
    [
        ({"release": {"role": "guard"}}, "release.role"),
        ({"release": {"minimum_security_version": 9}}, "release.security_version"),
        ({"by": STRANGER}, "release.signature"),
        ({"measurement": ["11" * 48]}, "snp.measurement"),
    ],
)
def test_a_cvm_that_is_not_verified_gets_no_prompt(
    whole: Walked, rules: dict[str, Any], check: str
) -> None:
    for through_the_path in (True, False):
        require = ("evidence", "keys", "log", "release") if through_the_path else DIRECT
        endpoint = (
            whole.endpoint() if through_the_path else DirectEndpoint(whole.taps["node"].address)
        )
        counting = Counting(endpoint)
        client = whole.client(counting, policy=policy_text(require=require, **rules))
        with client, pytest.raises(NotVerifiedError) as caught:
            client.summarise(CHAT)
        verdict = caught.value.verdict
        failed = {f.check for f in verdict.findings if f.status is Status.FAIL}
        assert check in failed
        assert client.verdict is verdict
        assert "evidence/report.bin" in client.bundle
        assert counting.opened == 1  # a false claim is not the weather
        until(lambda: whole.taps["node"].recordings()[-1].closed is not None)
        assert at_node(whole) < AT_NODE


def test_a_prompt_is_more_than_what_a_refused_cvm_gets(whole: Walked) -> None:
    with whole.client() as client:
        client.connect()
        assert 1000 < at_node(whole) < AT_NODE
        client.rewrite("x", style="formal")
        assert at_node(whole) > AT_NODE


def test_evidence_of_another_session(whole: Walked) -> None:
    """A server with a key of its own that passes on what the genuine node says of itself."""

    def relay(body: bytes, _stream: object) -> bytes:
        with connected((deployed.LOOPBACK, whole.port), seconds=10) as genuine:
            answer = genuine.exchange(
                "POST",
                "/.well-known/cvm-audit/evidence",
                body,
                media_type="application/octet-stream",
                limit=10**6,
            )
        return http(answer.content, EVIDENCE_MEDIA_TYPE)

    server = LyingServer(relay)
    with server.serving() as port:
        client = whole.direct(port)
        with client, pytest.raises(NotVerifiedError) as caught:
            client.summarise(CHAT)
    assert only_failure(caught.value.verdict) == "snp.report_data"
    assert [len(body) for body in server.bodies] == [32]
    assert CANARY not in b"".join((*server.heads, *server.bodies))


def test_a_sealing_key_of_somebody_else(whole: Walked) -> None:
    evidence = deployed.evidence_of(whole.port).answer
    server = LyingServer(lambda *_: http(encode_evidence(evidence), EVIDENCE_MEDIA_TYPE))
    with server.serving() as port:
        client = whole.direct(port)
        with client, pytest.raises(NotVerifiedError):
            client.summarise(CHAT)
    assert [len(body) for body in server.bodies] == [32]


def test_a_policy_that_binds_no_session(whole: Walked) -> None:
    text = policy_text(report_data={"not_checked": "never mind"})
    with whole.client(policy=text) as client, pytest.raises(VerificationError):
        client.summarise(CHAT)
    assert at_node(whole) < AT_NODE


# Keys.


def served_document(folders: list[Path]) -> bytes:
    return encode_key_document(
        tuple(
            LoggedConfiguration(
                (folder / "entry.json").read_bytes(), (folder / "entry.tlog-proof").read_bytes()
            )
            for folder in folders
        )
    )


def test_keys_that_a_stranger_gives_out(whole: Walked, tmp_path: Path) -> None:
    document = served_document(logged_keys(whole.keys, tmp_path, by=STRANGER))
    before = connections(whole)
    with scripted(lambda _: http(document, KEYS_MEDIA_TYPE)) as cdn:
        client = whole.client(whole.endpoint(keyCdn=cdn.url))
        with client, pytest.raises(NotVerifiedError) as caught:
            client.summarise(CHAT)
    assert only_failure(caught.value.verdict) == "keys.signature"
    assert caught.value.verdict.target.kind == "key-document"
    assert (client.verdict, dict(client.bundle)) == (caught.value.verdict, {})
    assert connections(whole) == before
    assert len(cdn.heads) == 1


@pytest.mark.parametrize(("other_id", "error"), [(1, KeyRefusedError), (0, FetchError)])
def test_keys_that_the_gateway_does_not_have(
    whole: Walked, tmp_path: Path, other_id: int, error: type[AuditError]
) -> None:
    """Logged, signed and valid: whoever runs the gateway has lost it, or somebody has made it."""
    keys, folder = whole.keys.folder / "key-configuration", tmp_path / "key-configuration"
    folder.mkdir()
    key = whole.keys.ohttp
    secret = b"\x09" * 32
    other = gateway_key(
        key_id=(key.key_id + other_id) % 256, secret=secret, suites=key.suites
    ).public.raw
    statement = (keys / "gateway.json").read_bytes()
    for old, new in (
        (key.raw, other),
        (sha256(key.raw).digest(), sha256(other).digest()),
    ):
        statement = statement.replace(old.hex().encode(), new.hex().encode())
    statement = statement.replace(b'"keyId": "%02x"' % key.key_id, b'"keyId": "%02x"' % other[0])
    (folder / "gateway.json").write_bytes(statement)
    (folder / "issuer.json").write_bytes((keys / "issuer.json").read_bytes())
    document = served_document(logged_keys(PathKeys(tmp_path, ""), tmp_path))
    with scripted(lambda _: http(document, KEYS_MEDIA_TYPE)) as cdn:
        client = whole.client(whole.endpoint(keyCdn=cdn.url))
        with client, pytest.raises(error):
            client.summarise(CHAT)
    assert len(cdn.heads) == 3  # each attempt asks for newer ones
    assert client.verdict is None


def test_a_policy_without_keys_is_no_policy_for_the_path(whole: Walked) -> None:
    before = connections(whole)
    client = whole.client(policy=policy_text(require=DIRECT))
    with client, pytest.raises(PolicyError) as caught:
        client.summarise(CHAT)
    assert caught.value.what == "policy.require"
    assert connections(whole) == before


def test_keys_that_have_ended_since_are_fetched_anew(whole: Walked) -> None:
    endpoint, before = whole.endpoint(), connections(whole)
    with whole.client(endpoint) as client:
        client.connect()
    later = datetime.now(UTC) + timedelta(days=40)
    client = whole.client(endpoint, clock=lambda: later)
    with client, pytest.raises(NotVerifiedError) as caught:
        client.connect()
    assert only_failure(caught.value.verdict) == "keys.validity"
    assert connections(whole)["keycdn"] - before["keycdn"] == 2


# Tokens.


def test_a_token_is_spent_once(whole: Walked) -> None:
    endpoint = whole.endpoint()
    policy = whole.client()._policy
    deadline = Deadline.after(20)
    first = endpoint.open(policy=policy, now=datetime.now(UTC), deadline=deadline).transport
    assert isinstance(first, TunnelTransport)
    second = TunnelTransport(first._place, first._token)
    first.send(b"hello", deadline=deadline)
    first.receive(deadline=deadline)
    second.send(b"hello", deadline=deadline)
    with pytest.raises(TokenRefusedError) as caught:
        second.receive(deadline=deadline)
    assert "it was spent before" in caught.value.got
    first.close(deadline=deadline)


def test_a_token_that_is_refused_is_replaced_and_so_is_bad_weather(whole: Walked) -> None:
    weather = FetchError("relay", expected="an answer", got="none")
    refused = TokenRefusedError("gateway", expected="one", got="another")
    counting = Counting(whole.endpoint(), weather, refused)
    with whole.client(counting) as client:
        assert client.summarise(CHAT, sentences=2) == PREDICTED
    assert (counting.opened, counting.renewed) == (3, 2)


def test_after_a_refusal_nothing_is_kept_that_may_be_its_reason(whole: Walked) -> None:
    """As where the issuer has a new key before the key CDN has: else it would be so for ever."""
    changed = VerificationError("keys of the issuer", expected="one", got="another")
    counting = Counting(whole.endpoint(), changed)
    with whole.client(counting) as client:
        with pytest.raises(VerificationError) as caught:
            client.summarise(CHAT)
        assert (caught.value, counting.opened, counting.renewed) == (changed, 1, 1)
        assert client.summarise(CHAT, sentences=2) == PREDICTED


def test_weather_that_stays_is_said(whole: Walked) -> None:
    weather = [FetchError("relay", expected="an answer", got=f"none {n}") for n in range(4)]
    counting = Counting(whole.endpoint(), *weather)
    with whole.client(counting) as client, pytest.raises(FetchError) as caught:
        client.summarise(CHAT)
    assert (counting.opened, caught.value.got) == (3, "none 2")


# Off.


def test_off_is_zero_bytes(whole: Walked) -> None:
    before, feature = connections(whole), Feature("summaries")
    client = whole.client(feature=feature)
    for use in (
        client.connect,
        lambda: client.summarise(CHAT),
        lambda: client.rewrite("x", style="formal"),
        lambda: client.chat("x"),
    ):
        with pytest.raises(FeatureOffError):
            use()
    client.close()
    assert connections(whole) == before
    feature.switch_on()
    assert client.summarise(CHAT, sentences=2) == PREDICTED
    during = {name: len(sent(tap)) for name, tap in whole.taps.items()}
    feature.switch_off()
    with pytest.raises(FeatureOffError):
        client.summarise(CHAT)
    client.close()
    time.sleep(0.1)
    assert {name: len(sent(tap)) for name, tap in whole.taps.items()} == during


def test_switched_off_between_two_attempts(whole: Walked) -> None:
    feature = switched_on()

    class Switching(Counting):
        def renew(self) -> None:
            feature.switch_off()

    weather = FetchError("relay", expected="an answer", got="none")
    counting = Switching(whole.endpoint(), weather)
    with whole.client(counting, feature=feature) as client, pytest.raises(FeatureOffError):
        client.summarise(CHAT)
    assert counting.opened == 1


# Deadlines, and roles that die.


@pytest.fixture
def silent() -> Iterator[Listener]:
    def listen(peer: Any) -> None:
        while peer.recv(65_536):
            pass

    with listening(listen) as found:
        yield found


def timed(seconds: float, client: AttestedClient) -> FetchError:
    began = time.monotonic()
    with client, pytest.raises(FetchError) as caught:
        client.summarise(CHAT)
    assert time.monotonic() - began < seconds
    return caught.value


def test_a_silent_cvm_and_then_roles_that_die_while_we_wait(
    tmp_path: Path, path_keys: PathKeys, silent: Listener
) -> None:
    with walked(tmp_path, path_keys, cvm=silent.address) as path:
        error = timed(4, path.client(seconds=1.0))
        assert error.got == "nothing within 1 s"
        for role in ("gateway", "relay"):
            threading.Timer(0.7, path.roles[role].process.kill).start()
            began = time.monotonic()
            client = path.client(path.endpoint(prefetch=3), seconds=20)
            with client, pytest.raises(FetchError) as caught:
                client.summarise(CHAT)
            assert time.monotonic() - began < 15
            assert caught.value.got
            if role == "gateway":
                assert "the gateway does not answer it" in caught.value.got
        assert CANARY not in b"".join(map(sent, path.taps.values()))


def test_roles_that_die_between_two_calls(tmp_path: Path, path_keys: PathKeys) -> None:
    with walked(tmp_path, path_keys) as path:
        endpoint = path.endpoint(prefetch=8)
        with path.client(endpoint, seconds=10) as open_one:
            assert open_one.summarise(CHAT, sentences=2) == PREDICTED
            for role in ("keycdn", "issuer"):
                path.roles[role].process.kill()
                path.roles[role].process.wait()
                # What has its keys and tokens goes on; a new one says what it lacks.
                assert open_one.summarise(CHAT, sentences=2) == PREDICTED
                error = timed(9, path.client(seconds=8))
                assert error.what.startswith(path.url("keycdn"))
            path.taps["node"].close()
            for _ in range(2):
                with pytest.raises(FetchError) as caught:
                    open_one.summarise(CHAT)
                assert caught.value.got
        path.roles["gateway"].process.kill()
        path.roles["relay"].process.kill()
        timed(9, path.client(endpoint, seconds=8))
        assert CANARY not in b"".join(
            sent(tap) for name, tap in path.taps.items() if name != "node"
        )


def test_an_issuer_that_is_gone_is_named(whole: Walked) -> None:
    error = timed(9, whole.client(whole.endpoint(issuer="http://127.0.0.1:9"), seconds=8))
    assert (error.what, error.expected) == (
        "http://127.0.0.1:9/.well-known/private-token-issuer-directory",
        "a connection",
    )


def test_nothing_goes_to_a_gateway_without_a_relay(whole: Walked) -> None:
    before = connections(whole)
    error = timed(9, whole.client(whole.endpoint(relay="http://127.0.0.1:9"), seconds=8))
    assert error.what == "http://127.0.0.1:9/"
    after = connections(whole)
    assert (after["gateway"], after["node"]) == (before["gateway"], before["node"])


class Cutting:
    """An endpoint whose connections are gone as soon as a prompt has left over them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        opened = self._endpoint.open(policy=policy, now=now, deadline=deadline)
        return Opened(Cut(opened.transport), opened.members)

    def renew(self) -> None:
        self._endpoint.renew()


class Cut:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sent = 0

    def send(self, content: bytes, *, deadline: Deadline) -> None:
        self._sent += len(content)
        self._transport.send(content, deadline=deadline)

    def receive(self, *, deadline: Deadline) -> bytes:
        received = self._transport.receive(deadline=deadline)
        return b"" if self._sent > AT_NODE else received

    def close(self, *, deadline: Deadline) -> None:
        self._transport.close(deadline=deadline)


@pytest.mark.parametrize("through_the_path", [True, False])
def test_a_prompt_is_not_sent_twice(whole: Walked, *, through_the_path: bool) -> None:
    """The connection ends when the prompt has arrived, and before its answer has."""
    before = connections(whole)["node"]
    if through_the_path:
        counting = Counting(Cutting(whole.endpoint()))
        client = whole.client(counting)
    else:
        counting = Counting(Cutting(DirectEndpoint(whole.taps["node"].address)))
        client = whole.client(counting, policy=policy_text(require=DIRECT))
    with client:
        client.connect()
        with pytest.raises(FetchError) as caught:
            client.summarise(CHAT)
        assert caught.value.got == "it was closed"
        assert (counting.opened, counting.renewed) == (1, 0)
    assert connections(whole)["node"] - before == 1
    assert at_node(whole) > AT_NODE


def test_only_nonces_go_to_what_gives_no_evidence(whole: Walked) -> None:
    server = LyingServer(lambda _body, _stream: b"")
    with server.serving() as port:
        client = whole.direct(port, seconds=2)
        with client, pytest.raises(FetchError):
            client.summarise(CHAT)
    assert [len(body) for body in server.bodies] == [32]


def test_a_session_that_the_cvm_has_ended_is_replaced(whole: Walked) -> None:
    """A node answers 256 requests a connection, of which the first is for its evidence."""
    counting = Counting(DirectEndpoint((deployed.LOOPBACK, whole.port)))
    client = whole.client(counting, policy=policy_text(require=DIRECT))
    with client:
        for _ in range(MAX_REQUESTS - 1):
            client.rewrite("x", style="formal")
        assert counting.opened == 1
        assert client.summarise(CHAT, sentences=2) == PREDICTED
        assert counting.opened == 2
        client.chat("When is the launch?", messages=CHAT)
        for _ in range(MAX_REQUESTS - 3):
            client.rewrite("x", style="formal")
        with pytest.raises(FetchError) as caught:
            client.chat("And the cake?")  # which rests on what another session would not know
        assert caught.value.got == "it was closed"
        assert counting.opened == 2
        client.chat("x")
        assert counting.opened == 3


def test_a_cvm_says_which_of_its_limits_a_request_passes(whole: Walked) -> None:
    with whole.direct() as client:
        for _ in range(MAX_TURNS):
            client.chat("x")
        with pytest.raises(VerificationError) as caught:
            client.chat("x")
        error = caught.value
        assert (error.what, error.got) == ("/v1/chat", "status 400")
        assert error.expected == "status 200, which takes 'at most 64 turns'"
        assert client.chat("x")  # in a session that begins anew


def test_a_bundle_holds_what_was_judged(whole: Walked) -> None:
    with whole.client() as client:
        verdict = client.connect()
    verified = verify_bundle(
        client.bundle,
        policy=client._policy,
        roots=(whole.root,),
        now=verdict.instant,
        nonce=client.bundle["evidence/nonce.bin"],
    )
    assert verified.verdict == verdict
    assert MANIFEST in client.bundle
    with pytest.raises(TypeError):
        client.bundle["x"] = b""  # type: ignore[index] # which is what is tested


def test_the_example(whole: Walked, tmp_path: Path) -> None:
    deployment = {
        "schema": "cvm-audit/deployment/v1",
        "authority": AUTHORITY,
        "issuerName": ISSUER_NAME,
        **{name: whole.url(name.lower()) for name in ("issuer", "keyCdn", "relay")},
    }
    for name, content in (
        ("deployment.json", json.dumps(deployment).encode()),
        ("policy.toml", policy_text()),
        ("other.toml", policy_text(release={"minimum_security_version": 9})),
        ("account", whole.keys.bearer.encode()),
    ):
        (tmp_path / name).write_bytes(content)

    def example(policy: str) -> subprocess.CompletedProcess[str]:
        given = (tmp_path / "deployment.json", tmp_path / policy, tmp_path / "account")
        root = whole.folder / "platform" / "root.json"
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / "attested_client.py"), *given, root],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = example("policy.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "VERIFIED on simulated, X25519MLKEM768"
    assert "tickets" in done.stdout.splitlines()[1]
    refused = example("other.toml")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("not sent: bundle: FAILED: release.security_version: ")
