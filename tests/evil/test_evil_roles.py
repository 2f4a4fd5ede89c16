"""The evil roles by themselves: each does its evil, and otherwise works like the real one."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.evil.relay_header import FIELD
from tests.evil.world import World
from tests.pipeline.gateway.test_gateway import token
from tests.pipeline.relay.test_relay import SEALED, Gateway
from tests.pipeline.roles import (
    AUTHORITY,
    SECONDS,
    Address,
    Client,
    Listener,
    Reply,
    Running,
    challenge,
    echo,
    listening,
    parsed,
    received,
    run_keys,
    running,
)
from verifier.errors import VerificationError
from verifier.wire.key_configuration import KEYS_PATH, parse_key_document
from verifier.wire.ohttp import encapsulate_request
from verifier.wire.ohttp_media import KEY_PROBLEM, OHTTP_REQUEST_MEDIA_TYPE
from verifier.wire.token import verify_token
from verifier.wire.tunnel import OpenTunnel, encode_tunnel_request
from verifier.wire.tunnel_answer import TunnelAnswer

HERE, THERE = "127.0.0.1", "127.0.0.2"


@contextmanager
def twin(name: str, *arguments: object, folder: Path) -> Iterator[Running]:
    role = name.partition("_")[0]
    patch = f"from tests.evil.{name} import corrupt\ncorrupt()"
    with running(role, *arguments, folder=folder, patch=patch) as found:
        yield found


def lines(role: Running) -> list[dict[str, Any]]:
    """What a role has written, which of a real one is counts alone."""
    return [json.loads(line) for line in role.log.read_text("ascii").splitlines()]


def ask_from(
    source: str, role: Running, head: str, *, body: bytes = b"", fields: str = ""
) -> Reply:
    """One request from an address of this machine; ``fields`` end in CRLF each."""
    fields += f"Host: role\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(role.address, SECONDS, (source, 0)) as client:
        client.sendall(f"{head} HTTP/1.1\r\n{fields}\r\n".encode() + body)
        return parsed(received(client))


def post_from(source: str, role: Running, body: bytes, *fields: str) -> Reply:
    given = (f"Content-Type: {OHTTP_REQUEST_MEDIA_TYPE}", *fields)
    lines = "".join(f"{field}\r\n" for field in given)
    return ask_from(source, role, "POST /", body=body, fields=lines)


def test_a_relay_names_its_client(tmp_path: Path) -> None:
    gateway = Gateway()
    with (
        listening(gateway.serve) as listener,
        twin("relay_header", "--gateway", listener.url, folder=tmp_path) as relay,
    ):
        for source in (HERE, THERE):
            assert post_from(source, relay, SEALED).body == SEALED[::-1]
    named = [f"{FIELD}: {source}\r\n".encode() for source in (HERE, THERE)]
    assert all(name in raw for name, raw in zip(named, gateway.captured, strict=True))
    plain = {raw.replace(name, b"") for name, raw in zip(named, gateway.captured, strict=True)}
    assert len(plain) == 1


def test_a_relay_writes_down_who_sent_what(tmp_path: Path) -> None:
    gateway = Gateway()
    with (
        listening(gateway.serve) as listener,
        twin("relay_logs", "--gateway", listener.url, folder=tmp_path) as relay,
    ):
        assert post_from(THERE, relay, SEALED).body == SEALED[::-1]
        (written,) = lines(relay)
    assert (written["client"], written["body"]) == (THERE, SEALED.hex())
    assert FIELD.encode() not in gateway.captured[0]


def opened(client: Client, world: World, records: bytes = b"hello") -> TunnelAnswer:
    answer = client.ask(OpenTunnel(AUTHORITY, token(world.keys), records))
    assert isinstance(answer, TunnelAnswer), answer
    return answer


@contextmanager
def twin_gateway(
    name: str, world: World, folder: Path, cvms: list[Address]
) -> Iterator[tuple[Running, Client]]:
    options = world.keys.gateway_options(folder / "spent.sqlite", cvms)
    with twin(name, *options, folder=folder) as gateway:
        yield gateway, Client(gateway.url, world.keys.ohttp)


def test_a_gateway_has_another_key(world: World, tmp_path: Path) -> None:
    with twin_gateway("gateway_swaps_key", world, tmp_path, [(HERE, 9)]) as (gateway, _):
        raw, _ = encapsulate_request(
            world.keys.ohttp, bytes(1024), ephemeral=secrets.token_bytes(32)
        )
        fields = {"Content-Type": OHTTP_REQUEST_MEDIA_TYPE}
        status, kind, *_ = gateway.ask("POST", "/", raw, fields).refusal
        assert (status, kind) == (400, KEY_PROBLEM)


@pytest.fixture
def cvms() -> Iterator[tuple[Listener, Listener]]:
    with listening(echo) as first, listening(echo) as second:
        yield first, second


def test_a_gateway_steers(world: World, tmp_path: Path, cvms: tuple[Listener, Listener]) -> None:
    addresses = [each.address for each in cvms]
    with twin_gateway("gateway_steers", world, tmp_path, addresses) as (gateway, client):
        for _ in range(8):
            assert opened(client, world).records == b"HELLO"
        assert [each.accepted for each in cvms] == [8, 0]
        for mark in (HERE, THERE):
            for _ in range(4):
                request = OpenTunnel(AUTHORITY, token(world.keys), b"hello")
                raw, opener = encapsulate_request(
                    world.keys.ohttp,
                    encode_tunnel_request(request),
                    ephemeral=secrets.token_bytes(32),
                )
                reply = post_from(HERE, gateway, raw, f"{FIELD}: {mark}")
                assert opener.open_response(reply.body)
        assert sorted(each.accepted for each in cvms) == [4, 12]


def test_a_gateway_writes_down_what_it_opens(
    world: World, tmp_path: Path, cvms: tuple[Listener, Listener]
) -> None:
    folder = tmp_path
    with twin_gateway("gateway_logs", world, folder, [cvms[0].address]) as (gateway, client):
        assert opened(client, world, b"sealed records").records == b"SEALED RECORDS"
        (written,) = lines(gateway)
    assert b"sealed records" in bytes.fromhex(written["inner"])


def test_a_gateway_takes_a_token_twice(
    world: World, tmp_path: Path, cvms: tuple[Listener, Listener]
) -> None:
    folder = tmp_path
    with twin_gateway("gateway_no_spend", world, folder, [cvms[0].address]) as (_, client):
        request = OpenTunnel(AUTHORITY, token(world.keys), b"hello")
        for _ in range(2):
            answer = client.ask(request)
            assert isinstance(answer, TunnelAnswer)
            assert answer.records == b"HELLO"


@contextmanager
def twin_issuer(name: str, world: World, folder: Path) -> Iterator[tuple[Running, Client]]:
    options = world.keys.issuer_options(folder / "issued.sqlite")
    with twin(name, *options, folder=folder) as issuer:
        yield issuer, Client("", world.keys.ohttp, issuer.url, world.keys.bearer)


def test_an_issuer_signs_with_a_key_for_each_account(world: World, tmp_path: Path) -> None:
    made = run_keys("account", world.keys.folder, "bob", "--per-day", 10)
    other = made.stdout.strip()
    with twin_issuer("issuer_marks", world, tmp_path) as (_, client):
        client.token(world.keys)
        # The key of a token is fixed before it is blinded, so a client finds the mark at once.
        with pytest.raises(VerificationError) as refused:
            replace(client, bearer=other).token(world.keys)
        assert refused.value.what == "blind signature"
        client.token(world.keys)


def test_an_issuer_writes_down_what_it_signs_and_learns_nothing(
    world: World, tmp_path: Path
) -> None:
    with twin_issuer("issuer_logs", world, tmp_path) as (issuer, client):
        tokens = [client.token(world.keys) for _ in range(3)]
        written = lines(issuer)
    for each in tokens:
        verify_token(each, keys=(world.keys.token,), challenge=challenge())
    assert {line["account"] for line in written} == {f"Bearer {world.keys.bearer}"}
    # Each request that was logged could have become each of the tokens: there is a blinding factor
    # that leads from one to the other, and all of them were equally likely.
    key = world.keys.token.rsa
    for line, each in product(written, tokens):
        signature = int(line["signature"], 16)
        authenticator = int.from_bytes(each.authenticator, "big")
        factor = signature * pow(authenticator, -1, key.modulus) % key.modulus
        message = pow(authenticator, key.exponent, key.modulus)
        blinded = message * pow(factor, key.exponent, key.modulus) % key.modulus
        assert blinded == int.from_bytes(bytes.fromhex(line["request"])[3:], "big")


def test_a_key_cdn_gives_one_client_other_keys_first(world: World, tmp_path: Path) -> None:
    options = [word for folder in world.logged for word in ("--logged", folder)]
    with twin("keycdn_second_key", *options, folder=tmp_path) as cdn:
        here, there = (ask_from(source, cdn, f"GET {KEYS_PATH}") for source in (HERE, THERE))
    common, chosen = parse_key_document(here.body), parse_key_document(there.body)
    assert common == tuple(reversed(chosen))
    assert [each.entry for each in common] == list(world.log.entries[2:])
    assert (here.status, here.fields) == (there.status, there.fields)
