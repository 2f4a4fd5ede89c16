"""A node and all that stands around it, real but for the processor's vendor: sockets, TLS, HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import h11
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from OpenSSL import SSL

from pipeline.node.channel import Channel
from pipeline.node.evidence_source import SimulatedProcessor
from pipeline.node.guest_policy import GuestPolicy, parse_guest_policy
from pipeline.node.node import Handover, prepare
from pipeline.node.server import Server
from pipeline.platform.simulated_report import ReportFields, encode_signed_part, sign_report
from tests import making
from tests.running import ROOT
from tests.synthetic_amd import TCBS, chip_key
from verifier.evidence.tcb import Product
from verifier.wire.attested_tls import (
    EVIDENCE_PATH,
    EXPORTER_LABEL,
    EXPORTER_SIZE,
    NONCE_MEDIA_TYPE,
    parse_evidence,
)
from verifier.wire.sealed import (
    SEALED_MEDIA_TYPE,
    SEALED_PATH,
    SealedSession,
    SealingKey,
    SealingPublicKey,
    open_response,
    parse_sealing_key,
    seal_request,
)

MEASUREMENT = b"\x11" * 48
TABLE = bytes(24)  # a certificate table without certificates

ENTRY = making.entry()
LOG = making.Log((b"another", ENTRY, b"a third"))
PROOF = LOG.proof(1)

Reply = Callable[[bytes], bytes]


def guest_policy(**changes: Any) -> bytes:
    document: dict[str, Any] = {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": f"log {LOG.key}\nquorum none\n",
        "publishers": [str(making.PUBLISHER.key.vkey)],
        "publisherThreshold": 1,
        "listen": 8443,
    } | changes
    return json.dumps(
        {name: value for name, value in document.items() if value is not ...}
    ).encode()


def policy(**changes: Any) -> GuestPolicy:
    return parse_guest_policy(guest_policy(**changes))


def report(report_data: bytes, measurement: bytes = MEASUREMENT) -> bytes:
    """A report as a simulated processor signs it."""
    fields = ReportFields(
        product=Product.MILAN,
        measurement=measurement,
        report_data=report_data,
        tcb=TCBS[Product.MILAN],
        chip_id=bytes(range(64)),
    )
    return sign_report(encode_signed_part(fields), key=chip_key())


def framed(*fields: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(field)) + field for field in fields)


def honest(report_data: bytes) -> bytes:
    return framed(report(report_data), TABLE)


@contextlib.contextmanager
def processor(reply: Reply = honest) -> Iterator[Channel]:
    """A channel to a processor that gives ``reply`` to each question of 64 bytes."""
    ours, theirs = socket.socketpair()
    answering = threading.Thread(target=_reply, args=(theirs, reply), daemon=True)
    answering.start()
    ours.setblocking(False)
    channel = Channel(ours.detach(), what="processor", ends=True)
    try:
        yield channel
    finally:
        channel.close()
        answering.join(5)
        theirs.close()


def _reply(peer: socket.socket, reply: Reply) -> None:
    with contextlib.suppress(OSError):
        while question := peer.recv(64, socket.MSG_WAITALL):
            peer.sendall(reply(question))


@contextlib.contextmanager
def processor_socket(folder: Path, reply: Reply = honest) -> Iterator[Path]:
    """The same behind a Unix socket, for one client after the other."""
    with listening(folder / "processor.sock", lambda peer: _reply(peer, reply)) as path:
        yield path


@contextlib.contextmanager
def listening(path: Path, attend: Callable[[socket.socket], None]) -> Iterator[Path]:
    server = socket.socket(socket.AF_UNIX)
    # Its name is short whatever the folder: a Unix socket's address has room for 107 bytes.
    server.bind(os.path.relpath(path))
    server.listen()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer = server.accept()[0]
                with peer:
                    attend(peer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield path
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        path.unlink()


@dataclass(frozen=True)
class Node:
    """A node in this process, and where it listens."""

    server: Server
    address: tuple[str, int]


@contextlib.contextmanager
def node(reply: Reply = honest, **changes: Any) -> Iterator[Node]:
    with processor(reply) as channel, socket.create_server(("127.0.0.1", 0)) as listener:
        server = prepare(
            policy=policy(**changes),
            source=SimulatedProcessor(channel, timeout=5.0),
            handover=Handover(ENTRY, PROOF),
        )

        def serve() -> None:
            with contextlib.suppress(OSError):
                server.serve(listener)

        threading.Thread(target=serve, daemon=True).start()
        yield Node(server, listener.getsockname()[:2])
        listener.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Response:
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client of one session. It checks nothing by itself."""

    def __init__(self, address: tuple[str, int], context: SSL.Context | None = None) -> None:
        self.socket = socket.create_connection(address, timeout=20)
        self.socket.settimeout(None)
        self.tls = SSL.Connection(context or SSL.Context(SSL.TLS_CLIENT_METHOD), self.socket)
        self.tls.set_connect_state()
        try:
            self.tls.do_handshake()
        except SSL.Error:
            self.socket.close()
            raise
        self._http = h11.Connection(h11.CLIENT)
        self._seals: tuple[SealingPublicKey, SealedSession] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def certificate(self) -> Any:
        shown = self.tls.get_peer_certificate(as_cryptography=True)
        assert shown is not None
        return shown

    def ask(
        self, method: str, target: str, body: bytes = b"", media_type: str = "", **more: str
    ) -> Response:
        fields = {"Host": "cvm.invalid", "Content-Length": str(len(body)), **more}
        if media_type:
            fields["Content-Type"] = media_type
        request = h11.Request(method=method, target=target, headers=list(fields.items()))
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            self.tls.sendall(self._http.send(event) or b"")
        response = self.read()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return response

    def work(self, path: str, content: bytes) -> Response:
        """A sealed request, for which evidence is asked first; what is under the answer's seal."""
        key, place = self._seals or self._agree()
        own = SealingKey(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
        raw = seal_request(path, content, to=key, reply_to=own.public.raw, session=place)
        self._seals = key, replace(place, sequence=place.sequence + 1)
        answer = self.ask("POST", SEALED_PATH, raw, SEALED_MEDIA_TYPE)
        assert (answer.status, answer.fields["content-type"]) == (200, SEALED_MEDIA_TYPE)
        status, body = open_response(answer.body, key=own, request=raw, session=place)
        return Response(status, {}, body)

    def _agree(self) -> tuple[SealingPublicKey, SealedSession]:
        nonce = os.urandom(32)
        given = parse_evidence(self.ask("POST", EVIDENCE_PATH, nonce, NONCE_MEDIA_TYPE).body)
        exporter = self.tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, nonce)
        place = SealedSession(role=given.role, exporter=exporter, sequence=0)
        return parse_sealing_key(given.sealing_key), place

    def send(self, raw: bytes) -> None:
        self.tls.sendall(raw)

    def read(self) -> Response:
        status, fields, body = 0, {}, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self._received())
            elif isinstance(event, h11.Response):
                status = event.status_code
                fields = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return Response(status, fields, bytes(body))

    def _received(self) -> bytes:
        try:
            return self.tls.recv(65_536)
        except SSL.ZeroReturnError:
            return b""

    def is_at_end(self) -> bool:
        try:
            return not self._received()
        except SSL.Error:
            return True


@dataclass
class Program:
    """``python -m pipeline.node`` and its state file."""

    process: subprocess.Popen[str]
    state: Path

    def lines(self, wanted: str) -> list[str]:
        """The lines of the state, once one starts with ``wanted`` or the program has ended."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            is_over = self.process.poll() is not None
            lines = self.state.read_text().splitlines() if self.state.exists() else []
            if is_over or any(line.startswith(wanted) for line in lines):
                return lines
            time.sleep(0.02)
        raise AssertionError(f"no {wanted} in time")

    @property
    def address(self) -> tuple[str, int]:
        listening = self.lines("READY")[0]
        host, _, port = listening.removeprefix("LISTENING ").rpartition(":")
        return host, int(port)


@contextlib.contextmanager
def program(folder: Path, *arguments: object) -> Iterator[Program]:
    state = folder / "state"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pipeline.node",
            *map(str, arguments),
            *("--listen", "127.0.0.1:0"),
            *("--state-file", str(state)),
        ],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Program(process, state)
    finally:
        process.kill()
        process.communicate()
