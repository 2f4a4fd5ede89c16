"""What a role or a node has in use after many exchanges: what it had before, and nothing of them.

A role that keeps a hundred bytes of each shows that it would be seen.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests import making
from tests.evil.world import make_world, running_cvm
from tests.pipeline.in_use import AVAILABLE, ENVIRONMENT, in_use, patch
from tests.pipeline.roles import (
    AUTHORITY,
    Client,
    PathKeys,
    Running,
    challenge,
    echo,
    listening,
    run_keys,
    running,
    until,
)
from tests.verifier.client.scripted import http, scripted
from tests.verifier.client.walked import CHAT, switched_on
from verifier.client.client import AttestedClient
from verifier.client.endpoint import DirectEndpoint
from verifier.wire.key_configuration import KEYS_PATH
from verifier.wire.ohttp_media import OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE
from verifier.wire.token import Token, parse_token
from verifier.wire.token_issuance import REQUEST_MEDIA_TYPE, TokenRequest, encode_token_request
from verifier.wire.tunnel import CloseTunnel, ContinueTunnel, OpenTunnel
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelClosed

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this C library counts no memory")

EXCHANGES, SESSIONS = 400, 60
LEAK = 100
"""Bytes that an exchange leaves behind at the least, if it leaves anything: an object in a list."""

Exchange = Callable[[], None]


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@functools.cache
def signing_key(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def fast_token(keys: PathKeys) -> Token:
    """A token as its issuer would sign it if it had no need to sign blindly."""
    key = signing_key(keys.folder / "issuer" / "token-key.pem")
    body = b"\0\2" + secrets.token_bytes(32) + challenge().digest + keys.token.key_id
    pss = padding.PSS(padding.MGF1(SHA384()), 48)
    return parse_token(body + key.sign(body, pss, SHA384()))


@contextlib.contextmanager
def gateway(keys: PathKeys, folder: Path, before: str) -> Iterator[tuple[Running, Exchange]]:
    with listening(echo) as cvm:
        options = keys.gateway_options(folder / "spent.sqlite", [cvm.address])
        with running("gateway", *options, folder=folder, patch=before) as role:
            client = Client(role.url, keys.ohttp)

            def exchange() -> None:
                opened = client.ask(OpenTunnel(AUTHORITY, fast_token(keys), b"x" * 600))
                assert isinstance(opened, TunnelAnswer)
                more = ContinueTunnel(AUTHORITY, opened.tunnel, 1, b"y" * 6000)
                assert client.ask(more) == TunnelAnswer(opened.tunnel, b"Y" * 6000)
                assert client.ask(CloseTunnel(AUTHORITY, opened.tunnel)) == TunnelClosed()

            yield role, exchange


@contextlib.contextmanager
def relay(keys: PathKeys, folder: Path, before: str) -> Iterator[tuple[Running, Exchange]]:
    del keys
    with scripted(lambda _: http(b"sealed" * 500, OHTTP_RESPONSE_MEDIA_TYPE)) as asked:
        url = f"{asked.url}/"
        with running("relay", "--gateway", url, folder=folder, patch=before) as role:

            def exchange() -> None:
                fields = {"Content-Type": OHTTP_REQUEST_MEDIA_TYPE}
                assert role.ask("POST", "/", b"x" * 3000, fields).body == b"sealed" * 500
                asked.heads.clear()
                asked.bodies.clear()

            yield role, exchange


@contextlib.contextmanager
def issuer(keys: PathKeys, folder: Path, before: str) -> Iterator[tuple[Running, Exchange]]:
    options = keys.issuer_options(folder / "issued.sqlite")
    given = run_keys("account", keys.folder, "memory", "--per-day", 2 * EXCHANGES)
    assert given.returncode == 0, given.stderr
    body = encode_token_request(TokenRequest(keys.token.truncated_key_id, bytes(255) + b"\2"))
    fields = {"Content-Type": REQUEST_MEDIA_TYPE, "Authorization": f"Bearer {given.stdout.strip()}"}
    with running("issuer", *options, folder=folder, patch=before) as role:

        def exchange() -> None:
            assert role.ask("POST", "/token-request", body, fields).status == 200

        yield role, exchange


@contextlib.contextmanager
def keycdn(keys: PathKeys, folder: Path, before: str) -> Iterator[tuple[Running, Exchange]]:
    world = make_world(folder, keys)
    options = [f"--logged={place}" for place in world.logged]
    with running("keycdn", *options, folder=folder, patch=before) as role:

        def exchange() -> None:
            assert role.ask("GET", KEYS_PATH).status == 200

        yield role, exchange


ROLES = {each.__name__: each for each in (gateway, issuer, keycdn, relay)}


def opened(process: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def left_by_each(process: int, file: Path, exchange: Exchange, times: int = EXCHANGES) -> float:
    """The bytes that one of ``times`` exchanges leaves in use, after as many to warm up."""
    for _ in range(times):
        exchange()
    sockets, before = opened(process), in_use(process, file)
    for _ in range(times):
        exchange()
    until(lambda: opened(process) <= sockets)
    return (in_use(process, file) - before) / times


@pytest.mark.parametrize("name", ROLES)
def test_a_role_keeps_nothing_of_an_exchange(
    path_keys: PathKeys, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "in-use"
    with ROLES[name](path_keys, tmp_path, patch(file)) as (role, exchange):
        assert left_by_each(role.process.pid, file, exchange) < LEAK


def test_what_is_kept_is_seen(path_keys: PathKeys, tmp_path: Path) -> None:
    file = tmp_path / "in-use"
    kept = f"""
import pipeline.role.exchange as module
kept, Asked = [], module.Asked
module.Asked = lambda *given: (kept.append(bytes({LEAK})), Asked(*given))[1]
"""
    with keycdn(path_keys, tmp_path, patch(file) + kept) as (role, exchange):
        assert left_by_each(role.process.pid, file, exchange) > LEAK


def test_a_node_keeps_nothing_of_a_session(path_keys: PathKeys, tmp_path: Path) -> None:
    world = make_world(tmp_path, path_keys)
    require = ("evidence", "log", "release")
    policy = making.policy(world.log, require=require, report_data="session")
    file = tmp_path / "in-use"
    module, more = "tests.pipeline.in_use", (str(file),)
    with running_cvm(world, tmp_path / "node", module=module, more=more) as node:
        client = AttestedClient(
            policy=policy,
            roots=(world.root,),
            endpoint=DirectEndpoint(node.address),
            feature=switched_on(),
        )

        def exchange() -> None:
            with client:
                client.summarise(CHAT * 20)
                client.chat("When is the launch?", messages=CHAT * 20)

        assert left_by_each(node.process_id, file, exchange, SESSIONS) < LEAK
