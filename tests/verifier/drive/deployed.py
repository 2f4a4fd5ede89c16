"""What the drive drives in tests: nodes on simulated processors, and a server that lies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from pipeline.node.tls import TlsStream, make_context, make_identity
from pipeline.platform.simulated_vendor import make_vendor, root_document, simulated_names
from tests import making
from tests.running import ROOT
from tests.synthetic_amd import START, ca_keys
from verifier.appraisal.policy import Policy, parse_policy
from verifier.client.session import SessionEvidence, collect_evidence
from verifier.client.tls import TlsClient, connected
from verifier.errors import FetchError
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind
from verifier.library import Verified, verify_bundle
from verifier.roots.snp_root import SnpRoot
from verifier.wire.service import ChatRequest, RewriteRequest, SummaryRequest
from verifier.wire.workload import chat as chats
from verifier.wire.workload.rewrite import rewrite
from verifier.wire.workload.summary import summarise

MEASUREMENT = b"\x5a" * 48
ENTRY = making.entry(making.statement(MEASUREMENT))
LOG = making.Log((b"another", ENTRY))
PROOF = LOG.proof(1)
LOOPBACK = "127.0.0.1"
FLOOR = {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}


def policy_text(**rules: Any) -> bytes:
    return making.policy(LOG, **({"report_data": "session"} | rules))


def policy(**rules: Any) -> Policy:
    return parse_policy(policy_text(**rules))


def write_platform(folder: Path) -> SnpRoot:
    """What ``pipeline.platform init`` writes, with CA keys that the session has made already."""
    vendor = make_vendor(
        Product.MILAN,
        VekKind.VCEK,
        names=simulated_names(Product.MILAN, VekKind.VCEK),
        keys=ca_keys(),
        start=START,
    )
    folder.mkdir(mode=0o700)
    (folder / "root.json").write_bytes(root_document(vendor))
    for name, key in zip(("ark-key.pem", "vendor-key.pem"), ca_keys(), strict=True):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / name).write_bytes(pem)
    return parse_simulated_root(root_document(vendor))


@dataclass(frozen=True)
class Deployment:
    """Nodes of one release, by their ports, and the root that their processors chain to."""

    ports: tuple[int, ...]
    root: SnpRoot
    platform: Path

    def verify(self, evidence: SessionEvidence, **rules: Any) -> Verified:
        bundle = evidence.bundle(policy=policy_text(**rules), captured=datetime.now(UTC))
        return verify_bundle(
            bundle,
            policy=policy(**rules),
            roots=(self.root,),
            now=datetime.now(UTC),
            nonce=evidence.nonce,
        )


@contextlib.contextmanager
def deployment(folder: Path, *, nodes: int) -> Iterator[Deployment]:
    root = write_platform(folder / "platform")
    guest_policy = {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": f"log {LOG.key}\nquorum none\n",
        "publishers": [str(making.PUBLISHER.key.vkey)],
        "publisherThreshold": 1,
        "listen": 8443,
    }
    (folder / "guest-policy.json").write_text(json.dumps(guest_policy))
    (folder / "entry.json").write_bytes(ENTRY)
    (folder / "entry.proof").write_bytes(PROOF)
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(_node(folder, number)) for number in range(nodes)]
        yield Deployment(tuple(ports), root, folder / "platform")


@contextlib.contextmanager
def _node(folder: Path, number: int) -> Iterator[int]:
    state = folder / f"state-{number}"
    # Relative, because the address of a Unix socket has room for 107 bytes.
    processor = os.path.relpath(folder / f"p{number}", ROOT)
    serve = ("serve", folder / "platform", "--socket", processor)
    with (
        _running("pipeline.platform", *serve, "--measurement", MEASUREMENT.hex()) as measured,
    ):
        assert measured.stdout is not None
        assert measured.stdout.readline().strip() == MEASUREMENT.hex()
        options = {
            "--processor-socket": processor,
            "--entry": folder / "entry.json",
            "--proof": folder / "entry.proof",
            "--guest-policy": folder / "guest-policy.json",
            "--listen": f"{LOOPBACK}:0",
            "--state-file": state,
        }
        words = [word for pair in options.items() for word in pair]
        with _running("pipeline.node", *words) as node:
            yield _port(state, node)


@contextlib.contextmanager
def _running(module: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def _port(state: Path, node: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and node.poll() is None:
        text = state.read_text() if state.exists() else ""
        if "READY\n" in text:
            (line,) = [each for each in text.splitlines() if each.startswith("LISTENING ")]
            return int(line.rsplit(":", 1)[1])
        time.sleep(0.02)
    raise AssertionError(state.read_text() if state.exists() else "no state")


@contextlib.contextmanager
def session(port: int) -> Iterator[TlsClient]:
    with connected((LOOPBACK, port), seconds=20) as client:
        yield client


def evidence_of(port: int) -> SessionEvidence:
    with session(port) as client:
        return collect_evidence(client)


class Liar:
    """Answers as the release does, but in what ``lie`` names."""

    def __init__(self, lie: str) -> None:
        self._lie = lie
        self._state = chats.START

    def summarise(self, request: SummaryRequest) -> tuple[str, ...]:
        return ("canned",) if self._lie == "summaries" else summarise(request)

    def rewrite(self, request: RewriteRequest) -> tuple[str, ...]:
        return ("canned",) if self._lie == "rewrites" else rewrite(request)

    def chat(self, request: ChatRequest) -> str:
        told = chats.START if self._lie == "memory" else self._state
        self._state, reply = chats.chat(told, request)
        return "canned" if self._lie == "chats" else reply


Respond = Callable[[bytes, TlsStream], bytes]
"""What to send back for the body of a request: a whole HTTP answer, as bytes."""


@dataclass
class LyingServer:
    """A TLS 1.3 server with a key of its own; it remembers every request that it was sent."""

    respond: Respond
    context: SSL.Context = field(default_factory=lambda: make_context(make_identity("summariser")))
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    received: int = 0

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        with socket.create_server((LOOPBACK, 0)) as listener:
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream = TlsStream(self.context, listener.accept()[0])
                with contextlib.suppress(FetchError):
                    self._attend(stream)
                stream.close()

    def _attend(self, stream: TlsStream) -> None:
        deadline = time.monotonic() + 20
        stream.shake_hands(deadline=deadline)
        waiting = b""
        while part := stream.receive(deadline=deadline):
            self.received += len(part)
            waiting += part
            head, found, rest = waiting.partition(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split()[0]) if found else 0
            if found and len(rest) >= size:
                waiting = b""
                self.heads.append(head)
                self.bodies.append(rest)
                stream.send(self.respond(rest, stream), deadline=deadline)


def http(body: bytes, media_type: str, status: int = 200) -> bytes:
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nContent-Type: {media_type}\r\n\r\n"
    )
    return head.encode() + body
