"""The gateway as a process: what it opens, takes, carries and refuses, and what it forgets."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.issuer.issuing import read_signer_key
from tests.pipeline.roles import (
    AUTHORITY,
    ISSUER_NAME,
    Client,
    Listener,
    PathKeys,
    Running,
    challenge,
    echo,
    listening,
    make_keys,
    refused_start,
    running,
    sign_token,
)
from verifier.wire.blind_signing import blind_sign
from verifier.wire.ohttp import encapsulate_request
from verifier.wire.ohttp_media import KEY_PROBLEM, MAX_ENCAPSULATED_REQUEST
from verifier.wire.token import Token, parse_token
from verifier.wire.token_challenge import parse_offered_challenges
from verifier.wire.token_issuance import parse_token_request
from verifier.wire.tunnel import (
    MAX_RECORDS,
    CloseTunnel,
    ContinueTunnel,
    OpenTunnel,
    encode_tunnel_request,
)
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelClosed, TunnelProblem, TunnelReply

REQUEST = "message/ohttp-req"


def token(keys: PathKeys, **about: str) -> Token:
    """A token from the issuer's key, without an issuer."""
    key = read_signer_key(keys.folder / "issuer")

    def sign(request: bytes) -> bytes:
        factor = 1 + secrets.randbelow(key.public.modulus - 1)
        return blind_sign(key, parse_token_request(request).blinded_message, factor=factor)

    return sign_token(keys, sign, challenge(**about))


@pytest.fixture(scope="module")
def cvm() -> Iterator[Listener]:
    with listening(echo) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(
    path_keys: PathKeys, cvm: Listener, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    options = path_keys.gateway_options(folder / "spent.sqlite", [cvm.address])
    patch = "import pipeline.gateway.tunnels as t; t.WAIT_SECONDS = 0.3"
    with running("gateway", *options, folder=folder, patch=patch) as found:
        yield found


@pytest.fixture
def client(gateway: Running, path_keys: PathKeys) -> Client:
    return Client(gateway.url, path_keys.ohttp)


def opened(client: Client, keys: PathKeys, records: bytes = b"hello") -> TunnelAnswer:
    answer = client.ask(OpenTunnel(AUTHORITY, token(keys), records))
    assert isinstance(answer, TunnelAnswer), answer
    return answer


def go_on(client: Client, tunnel: bytes, sequence: int, records: bytes) -> TunnelReply:
    return client.ask(ContinueTunnel(AUTHORITY, tunnel, sequence, records))


def refusal(reply: TunnelReply) -> tuple[int, str, str, str]:
    assert isinstance(reply, TunnelProblem), reply
    return reply.status, reply.what, reply.expected, reply.got


def test_records_go_to_the_cvm_and_back(client: Client, path_keys: PathKeys) -> None:
    answer = opened(client, path_keys)
    assert answer.records == b"HELLO"
    for sequence, records in enumerate((b"one", b"", b"two"), 1):
        expected = TunnelAnswer(answer.tunnel, records.upper())
        assert go_on(client, answer.tunnel, sequence, records) == expected
    assert client.ask(CloseTunnel(AUTHORITY, answer.tunnel)) == TunnelClosed()


def test_much_comes_back_in_several_answers(client: Client, path_keys: PathKeys) -> None:
    said = bytes(range(65, 91)) * (MAX_RECORDS // 26)
    answer = opened(client, path_keys)
    heard = b""
    for sequence, part in enumerate((said, said, b"", b"", b"", b""), 1):
        reply = go_on(client, answer.tunnel, sequence, part)
        assert isinstance(reply, TunnelAnswer)
        heard += reply.records
    assert heard == said + said


def test_a_retry_gets_the_same_answer_and_sends_nothing(
    client: Client, path_keys: PathKeys
) -> None:
    tunnel = opened(client, path_keys).tunnel
    first = go_on(client, tunnel, 1, b"once")
    assert go_on(client, tunnel, 1, b"once") == first
    assert go_on(client, tunnel, 2, b"") == TunnelAnswer(tunnel, b"")
    what, other = "sequence of the tunnel request", go_on(client, tunnel, 2, b"other")
    assert refusal(other) == (409, what, "the same bytes again", "2, others")


def test_a_sequence_that_does_not_follow_is_refused(client: Client, path_keys: PathKeys) -> None:
    tunnel = opened(client, path_keys).tunnel
    what = "sequence of the tunnel request"
    assert refusal(go_on(client, tunnel, 2, b"x")) == (409, what, "1, or 0 again", "2")
    assert go_on(client, tunnel, 1, b"x") == TunnelAnswer(tunnel, b"X")
    assert go_on(client, tunnel, 2, b"y") == TunnelAnswer(tunnel, b"Y")
    assert refusal(go_on(client, tunnel, 1, b"x")) == (409, what, "3, or 2 again", "1")


def test_one_request_too_many_at_a_time_is_refused(
    path_keys: PathKeys, cvm: Listener, tmp_path: Path
) -> None:
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [cvm.address])
    with running("gateway", *options, folder=tmp_path) as gateway, ThreadPoolExecutor(6) as threads:
        client = Client(gateway.url, path_keys.ohttp)
        tunnel = opened(client, path_keys).tunnel
        replies = list(threads.map(lambda _: go_on(client, tunnel, 1, b"quiet"), range(6)))
        refused = [reply for reply in replies if reply != TunnelAnswer(tunnel, b"")]
        what, expected = "requests of the tunnel", "at most 2 at a time"
        assert {refusal(reply) for reply in refused} == {(429, what, expected, "one more")}
        assert len(refused) < len(replies)
        assert gateway.stop()["tunnels_full"] == len(refused)


def test_an_unknown_or_closed_tunnel_is_refused(client: Client, path_keys: PathKeys) -> None:
    expected = (404, "tunnel", "one that is open", "another")
    assert refusal(go_on(client, bytes(16), 1, b"x")) == expected
    assert refusal(client.ask(CloseTunnel(AUTHORITY, bytes(16)))) == expected
    tunnel = opened(client, path_keys).tunnel
    assert client.ask(CloseTunnel(AUTHORITY, tunnel)) == TunnelClosed()
    assert refusal(go_on(client, tunnel, 1, b"x")) == expected
    assert refusal(client.ask(CloseTunnel(AUTHORITY, tunnel))) == expected


def test_the_end_of_the_cvm_is_told(client: Client, path_keys: PathKeys) -> None:
    tunnel = opened(client, path_keys).tunnel
    expected = (410, "CVM", "an open connection", "it has ended")
    assert refusal(go_on(client, tunnel, 1, b"bye")) == expected
    assert refusal(go_on(client, tunnel, 1, b"bye")) == expected
    assert refusal(go_on(client, tunnel, 2, b"")) == expected
    reply = client.ask(OpenTunnel(AUTHORITY, token(path_keys), b"bye"))
    assert refusal(reply) == expected


def test_a_token_is_taken_once(client: Client, path_keys: PathKeys, cvm: Listener) -> None:
    request = OpenTunnel(AUTHORITY, token(path_keys), b"hello")
    assert isinstance(client.ask(request), TunnelAnswer)
    accepted = cvm.accepted
    reply = client.ask(request)
    what, expected = "nonce of the token", "one that was not spent"
    assert refusal(reply) == (401, what, expected, "it was spent before")
    assert cvm.accepted == accepted


def test_of_many_at_a_time_one_spends_the_token(
    client: Client, path_keys: PathKeys, cvm: Listener
) -> None:
    requests = [OpenTunnel(AUTHORITY, token(path_keys), b"hello") for _ in range(3)]
    accepted, together = cvm.accepted, threading.Barrier(8)

    def race(_: int) -> list[int]:
        together.wait()
        replies = [client.ask(request) for request in requests]
        return [reply.status if isinstance(reply, TunnelProblem) else 200 for reply in replies]

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(race, range(8)))
    for each in zip(*statuses, strict=True):
        assert sorted(each) == [200] + 7 * [401]
    assert cvm.accepted == accepted + 3


def test_a_token_that_is_not_for_us_is_refused(client: Client, path_keys: PathKeys) -> None:
    genuine = token(path_keys)
    own = challenge().digest.hex()
    for spoiled, what, expected, got in (
        (
            token(path_keys, authority="other.example"),
            "challenge of the token",
            own,
            challenge(authority="other.example").digest.hex(),
        ),
        (
            token(path_keys, issuer_name="other.example"),
            "challenge of the token",
            own,
            challenge(issuer_name="other.example").digest.hex(),
        ),
        (
            parse_token(genuine.raw[:66] + bytes(32) + genuine.raw[98:]),
            "key of the token",
            path_keys.token.key_id.hex(),
            "00" * 32,
        ),
    ):
        reply = client.ask(OpenTunnel(AUTHORITY, spoiled, b"x"))
        assert refusal(reply) == (401, what, expected, got)
    reply = client.ask(OpenTunnel(AUTHORITY, parse_token(genuine.raw[:-1] + b"\x00"), b"x"))
    assert refusal(reply)[:2] == (401, "authenticator of the token")


def test_a_refused_token_is_not_spent(client: Client, path_keys: PathKeys) -> None:
    genuine = token(path_keys)
    forged = parse_token(genuine.raw[:98] + bytes(256))
    assert refusal(client.ask(OpenTunnel(AUTHORITY, forged, b"x")))[0] == 401
    assert isinstance(client.ask(OpenTunnel(AUTHORITY, genuine, b"x")), TunnelAnswer)


def test_a_token_of_another_issuer_is_refused(
    client: Client, path_keys: PathKeys, tmp_path: Path
) -> None:
    other = make_keys(tmp_path / "other")
    reply = client.ask(OpenTunnel(AUTHORITY, token(other), b"x"))
    expected = path_keys.token.key_id.hex(), other.token.key_id.hex()
    assert refusal(reply) == (401, "key of the token", *expected)


def test_who_is_refused_for_a_token_learns_which_is_wanted(
    client: Client, path_keys: PathKeys
) -> None:
    reply = client.ask(OpenTunnel(AUTHORITY, token(path_keys, authority="other.example"), b"x"))
    assert isinstance(reply, TunnelProblem)
    (offered,) = parse_offered_challenges(reply.challenge)
    assert offered.challenge == challenge()
    assert (offered.challenge.issuer_name, offered.challenge.context) == (ISSUER_NAME, b"")
    assert offered.key == path_keys.token


def test_requests_for_another_authority_are_refused(client: Client, path_keys: PathKeys) -> None:
    own = token(path_keys)
    reply = client.ask(OpenTunnel("other.example", own, b"x"))
    what = "authority of the tunnel request"
    assert refusal(reply) == (400, what, AUTHORITY, "other.example")
    assert isinstance(client.ask(OpenTunnel(AUTHORITY, own, b"x")), TunnelAnswer)


def test_what_is_malformed_inside_is_said_inside(client: Client) -> None:
    reply = client.exchange(b"no binary request")
    what, expected = "length of the tunnel request", "a power of two from 1024 to 262144 bytes"
    assert refusal(reply) == (400, what, expected, "17")


def test_another_kind_of_token_is_refused_with_the_challenge(
    client: Client, path_keys: PathKeys
) -> None:
    raw = encode_tunnel_request(OpenTunnel(AUTHORITY, token(path_keys), b"x"))
    reply = client.exchange(raw.replace(b"PrivateToken", b"privateTokem"))
    assert isinstance(reply, TunnelProblem)
    assert refusal(reply)[:3] == (401, "scheme of Authorization", "PrivateToken")
    assert parse_offered_challenges(reply.challenge)[0].challenge == challenge()


def test_an_encapsulation_that_cannot_be_opened_is_refused_in_the_open(
    gateway: Running, path_keys: PathKeys
) -> None:
    raw, _ = encapsulate_request(path_keys.ohttp, bytes(1024), ephemeral=secrets.token_bytes(32))
    other_id = bytes([(raw[0] + 1) % 256]) + raw[1:]
    other_suite = raw[:5] + b"\x00\x03" + raw[7:]
    for body, kind, field, expected, got in (
        (
            raw[:-1] + bytes([raw[-1] ^ 1]),
            *("encapsulation", "encapsulated request", "a request sealed to this key"),
            "one that does not open",
        ),
        (
            raw[:40],
            "encapsulation",
            "encapsulated request",
            f"55 to {MAX_ENCAPSULATED_REQUEST} bytes",
            "40",
        ),
        (
            other_id,
            *(KEY_PROBLEM, "key of the encapsulated request", "a key of this gateway"),
            f"key {other_id[0]}, KEM 0x0020",
        ),
        (
            other_suite,
            *(KEY_PROBLEM, "key of the encapsulated request", "a suite that it offers"),
            "KDF 0x0001, AEAD 0x0003",
        ),
    ):
        reply = gateway.ask("POST", "/", body, {"Content-Type": REQUEST})
        assert reply.refusal == (400, kind, field, expected, got)
    reply = gateway.ask("POST", "/", raw, {"Content-Type": "message/bhttp"})
    assert reply.refusal == (415, "media-type", "Content-Type", REQUEST, "'message/bhttp'")
    reply = gateway.ask("GET", "/")
    assert reply.refusal == (405, "method", "method", "POST", "'GET'")


def test_an_unreachable_cvm_is_told_and_costs_the_token(
    path_keys: PathKeys, tmp_path: Path
) -> None:
    with listening(echo) as gone:
        address = gone.address
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [address])
    with running("gateway", *options, folder=tmp_path) as gateway:
        client = Client(gateway.url, path_keys.ohttp)
        request = OpenTunnel(AUTHORITY, token(path_keys), b"x")
        assert refusal(client.ask(request)) == (502, "CVM", "a connection", "none")
        assert refusal(client.ask(request))[0] == 401
        counts = gateway.stop()
        assert (counts["cvm_unreached"], counts["tokens_refused"]) == (1, 1)


def test_spent_tokens_survive_a_kill(path_keys: PathKeys, cvm: Listener, tmp_path: Path) -> None:
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [cvm.address])
    requests = [OpenTunnel(AUTHORITY, token(path_keys), b"x") for _ in range(4)]

    def statuses(gateway: Running) -> list[int]:
        replies = [Client(gateway.url, path_keys.ohttp).ask(request) for request in requests]
        return [reply.status if isinstance(reply, TunnelProblem) else 200 for reply in replies]

    with running("gateway", *options, folder=tmp_path, check=False) as gateway:
        assert statuses(gateway) == [200] * 4
        gateway.process.kill()
        gateway.process.wait()
    with running("gateway", *options, folder=tmp_path) as gateway:
        assert statuses(gateway) == [401] * 4


def test_two_gateways_cannot_share_a_list_of_spent_tokens(
    gateway: Running, path_keys: PathKeys, cvm: Listener, tmp_path: Path
) -> None:
    spent = gateway.log.parent / "spent.sqlite"
    options = path_keys.gateway_options(spent, [cvm.address])
    line = refused_start("gateway", *options, "--log", tmp_path / "log")
    assert line.endswith("database is locked (expected a database that nobody else has open)")


def test_counts_and_nonces_are_all_that_is_written_down(
    path_keys: PathKeys, cvm: Listener, tmp_path: Path
) -> None:
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [cvm.address])
    with running("gateway", *options, folder=tmp_path) as gateway:
        client = Client(gateway.url, path_keys.ohttp)
        own = token(path_keys)
        answer = client.ask(OpenTunnel(AUTHORITY, own, b"canary"))
        assert isinstance(answer, TunnelAnswer)
        assert go_on(client, answer.tunnel, 1, b"canary") == TunnelAnswer(answer.tunnel, b"CANARY")
        assert refusal(go_on(client, answer.tunnel, 5, b"canary"))[0] == 409
        assert client.ask(CloseTunnel(AUTHORITY, answer.tunnel)) == TunnelClosed()
        counts = {name: count for name, count in gateway.stop().items() if count}
    assert counts == {
        "answers": 4,
        "sequences_refused": 1,
        "tunnels_closed": 1,
        "tunnels_opened": 1,
    }
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert own.nonce in written
    for absent in (b"canary", b"CANARY", b"127.0.0.1", own.authenticator, answer.tunnel):
        assert absent not in written
        assert absent.hex().encode() not in written


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--authority", "Not A Host", "not a token challenge"),
        ("--issuer-name", "", "not a token challenge"),
        ("--cvm", "127.0.0.1", "a decimal without leading zeros"),
        ("--cvm", "127.0.0.1:65536", "a decimal up to 65535"),
    ],
)
def test_unusable_options_are_refused(
    path_keys: PathKeys, tmp_path: Path, option: str, value: str, reason: str
) -> None:
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [("127.0.0.1", 9)])
    line = refused_start("gateway", *options, "--log", tmp_path / "log", option, value)
    assert reason in line


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("secret", "sekret"),
        lambda text: text.replace('"keyId": ', '"keyId": 1'),
        lambda text: text[:40],
        lambda _: "{}",
    ],
    ids=["member", "id", "cut", "empty"],
)
def test_an_unusable_key_is_refused_without_its_content(
    path_keys: PathKeys, tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    genuine = (path_keys.folder / "gateway" / "ohttp-key.json").read_text("ascii")
    folder = tmp_path / "gateway"
    folder.mkdir()
    path = folder / "ohttp-key.json"
    path.touch(0o600)
    path.write_text(spoil(genuine.replace('Id": ', 'Id": 99')))
    options = path_keys.gateway_options(tmp_path / "spent.sqlite", [("127.0.0.1", 9)])
    line = refused_start("gateway", *options, "--key", folder, "--log", tmp_path / "log")
    assert line.endswith("something else (expected a gateway's key)")
    path.chmod(0o604)
    line = refused_start("gateway", *options, "--key", folder, "--log", tmp_path / "log")
    expected = "a regular file that only its owner can read (mode 0600)"
    assert line == f"Error: {path}: -rw----r-- (expected {expected})"
