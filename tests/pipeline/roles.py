"""Roles of the private path as processes, and who talks to them: raw, as a client, as a CVM."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.running import ROOT
from verifier.wire.ohttp import encapsulate_request
from verifier.wire.ohttp_keys import OhttpKey, parse_ohttp_key
from verifier.wire.ohttp_media import OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE
from verifier.wire.token import Token
from verifier.wire.token_challenge import TokenChallenge, encode_token_challenge
from verifier.wire.token_issuance import REQUEST_MEDIA_TYPE
from verifier.wire.token_key import TokenKey, parse_token_key
from verifier.wire.token_request import finish_token, request_token
from verifier.wire.tunnel import TunnelRequest, encode_tunnel_request
from verifier.wire.tunnel_answer import TunnelReply, parse_tunnel_answer

SECONDS = 30.0
AUTHORITY, ISSUER_NAME = "gateway.example", "issuer.example"

Address = tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """An answer as it came, cut at its blank line; field names are in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.fields["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def refusal(self) -> tuple[int, str, str, str, str]:
        """Status, type without what all have, field, expected and got."""
        document = self.problem
        kind = str(document["type"]).removeprefix("urn:cvm-audit:problem:")
        return self.status, kind, document["field"], document["expected"], document["got"]


@dataclass(frozen=True)
class Running:
    """A role that runs."""

    process: subprocess.Popen[bytes]
    address: Address
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def send(self, *parts: bytes) -> bytes:
        """Everything that comes back to bytes as they are, until the role ends the connection."""
        with socket.create_connection(self.address, timeout=SECONDS) as client:
            for part in parts:
                client.sendall(part)
            return received(client)

    def ask(
        self, method: str, target: str, body: bytes = b"", fields: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own."""
        given = {"Host": "role", "Connection": "close", "Content-Length": str(len(body))}
        lines = [f"{name}: {value}" for name, value in (given | dict(fields or {})).items()]
        head = "\r\n".join((f"{method} {target} HTTP/1.1", *lines, "", ""))
        return parsed(self.send(head.encode(), body))

    def stop(self) -> dict[str, int]:
        """Stop it as an operator does; its last counts."""
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0
        lines = self.log.read_text("ascii").splitlines()
        counts: dict[str, int] = json.loads(lines[-1])["counts"]
        return counts


def received(client: socket.socket) -> bytes:
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65_536):
            content += part
    return content


def parsed(raw: bytes) -> Reply:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    return Reply(int(first.split(" ")[1]), {k.lower(): v for k, v in fields.items()}, body)


@contextlib.contextmanager
def running(
    role: str, *arguments: object, folder: Path, patch: str = "", check: bool = True
) -> Iterator[Running]:
    """Run ``pipeline.<role>`` while the block runs; ``patch`` is Python that runs before it."""
    folder.mkdir(exist_ok=True)
    program = f"{patch}\nfrom pipeline.{role}.cli import main\nmain(prog_name='{role}')"
    log = folder / f"{role}.counts"
    options = ("--listen", "127.0.0.1:0", "--log", log, "--parent", os.getpid(), *arguments)
    with subprocess.Popen(
        # A database is open until the end of its role, which newer Pythons warn of.
        [
            *(sys.executable, "-W", "error", "-W", "ignore:unclosed database:ResourceWarning"),
            *("-c", program, *map(str, options)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline().decode()
            assert line.startswith("LISTENING "), process.stderr.read().decode()
            host, _, port = line.split()[1].rpartition(":")
            yield Running(process, (host, int(port)), log)
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            finally:
                process.kill()
            said = process.stderr.read().decode()
            assert said == "" or not check


def refused_start(role: str, *arguments: object) -> str:
    """The last line of a role that does not start."""
    options = ("--listen", "127.0.0.1:0", *arguments)
    done = subprocess.run(
        [sys.executable, "-m", f"pipeline.{role}", *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


class Listener:
    """A server whose connections ``serve`` gets, each in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address: Address = self.socket.getsockname()
        self.accepted = 0
        self._serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._attend, args=(peer,), daemon=True).start()

    def _attend(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            self._serve(peer)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def echo(peer: socket.socket) -> None:
    """A CVM that says everything back in capitals; nothing to ``quiet``, the end to ``bye``."""
    while part := peer.recv(65_536):
        if part == b"bye":
            return
        if part != b"quiet":
            peer.sendall(part.upper())


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[Listener]:
    listener = Listener(serve)
    try:
        yield listener
    finally:
        listener.close()


@dataclass(frozen=True)
class PathKeys:
    """What ``pipeline.keys init`` made, and the secret of one account with 1000 tokens a day."""

    folder: Path
    bearer: str

    @property
    def token(self) -> TokenKey:
        return parse_token_key((self.folder / "key-configuration" / "issuer-key.der").read_bytes())

    @property
    def ohttp(self) -> OhttpKey:
        statement = json.loads((self.folder / "key-configuration" / "gateway.json").read_bytes())
        return parse_ohttp_key(bytes.fromhex(statement["predicate"]["keys"][0]["encoded"]))

    def gateway_options(self, spent: Path, cvms: Sequence[Address]) -> tuple[object, ...]:
        return (
            *("--key", self.folder / "gateway", "--spent", spent),
            *("--issuer-key", self.folder / "key-configuration" / "issuer-key.der"),
            *("--issuer-name", ISSUER_NAME, "--authority", AUTHORITY),
            *(part for host, port in cvms for part in ("--cvm", f"{host}:{port}")),
        )

    def issuer_options(self, issued: Path) -> tuple[object, ...]:
        folder = self.folder / "issuer"
        return ("--key", folder, "--accounts", folder / "accounts", "--issued", issued)


def run_keys(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.keys", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def make_keys(folder: Path) -> PathKeys:
    made = run_keys("init", folder, "--origin", AUTHORITY, "--issuer-name", ISSUER_NAME)
    assert made.returncode == 0, made.stderr
    account = run_keys("account", folder, "alice", "--per-day", 1000)
    assert account.returncode == 0, account.stderr
    return PathKeys(folder, account.stdout.strip())


def challenge(issuer_name: str = ISSUER_NAME, authority: str = AUTHORITY) -> TokenChallenge:
    return encode_token_challenge(issuer_name=issuer_name, context=b"", origins=(authority,))


def sign_token(
    keys: PathKeys, sign: Callable[[bytes], bytes], about: TokenChallenge | None = None
) -> Token:
    """A token, from whoever answers a token request."""
    request, pending = request_token(
        about or challenge(),
        keys.token,
        nonce=secrets.token_bytes(32),
        factor=1 + secrets.randbelow(keys.token.rsa.modulus - 1),
        salt=secrets.token_bytes(48),
    )
    return finish_token(pending, sign(request))


@dataclass(frozen=True)
class Client:
    """Sends through a relay, or straight to a gateway, as its ``url`` says."""

    url: str
    key: OhttpKey
    issuer: str = ""
    bearer: str = ""

    def exchange(self, raw: bytes) -> TunnelReply:
        sealed, opener = encapsulate_request(self.key, raw, ephemeral=secrets.token_bytes(32))
        headers = {"Content-Type": OHTTP_REQUEST_MEDIA_TYPE}
        answer = requests.post(self.url, data=sealed, headers=headers, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == OHTTP_RESPONSE_MEDIA_TYPE
        return parse_tunnel_answer(opener.open_response(answer.content))

    def ask(self, request: TunnelRequest) -> TunnelReply:
        return self.exchange(encode_tunnel_request(request))

    def token(self, keys: PathKeys) -> Token:
        def sign(request: bytes) -> bytes:
            answer = requests.post(
                f"{self.issuer}/token-request",
                data=request,
                headers={
                    "Authorization": f"Bearer {self.bearer}",
                    "Content-Type": REQUEST_MEDIA_TYPE,
                },
                timeout=SECONDS,
            )
            assert answer.status_code == 200, answer.text
            return answer.content

        return sign_token(keys, sign)


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
