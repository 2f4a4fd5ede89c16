"""A log under witnesses, ours or ones that say anything, for tests."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from log_server.log_folder import create_log, open_log
from log_server.signer import Ed25519Cosigner, parse_private_key
from log_server.witness.request import parse_add_checkpoint
from log_server.witnessing import Patience
from tests.log_server.witness.witnesses import make_witness, serving_witness
from verifier.tlog.cosignature import (
    CosignedCheckpoint,
    open_cosignatures,
    open_policy_checkpoint,
)
from verifier.tlog.note import NoteSignature
from verifier.tlog.policy import parse_tlog_policy

SOON = Patience(answer=5.0, others=0.3, quorum=10.0, again=0.2)
ONCE = Patience(answer=2.0, others=0.3, quorum=2.0, again=2.0)
NAMES = ("one", "two", "three")
DOWN = {name: f"http://127.0.0.1:{port}" for port, name in enumerate(NAMES, 2)}


class Field:
    """A log in ``tmp_path/log`` and witnesses of ours beside it."""

    def __init__(self, root: Path, now: datetime) -> None:
        self.root = root
        self.now = now
        self.log_key = create_log(root / "log", origin="log.test/witnessed", now=now)
        self.keys = {
            name: make_witness(root / name, self.log_key, name=f"wit.test/{name}")[0]
            for name in NAMES
        }
        self.urls = dict(DOWN)

    def policy(self, *, rule: str = "2", names: tuple[str, ...] = NAMES) -> str:
        lines = [f"log {self.log_key}"]
        lines += [f"witness {name} {self.keys[name]} {self.urls[name]}" for name in names]
        return "\n".join(
            (*lines, f"group all-of-them {rule} {' '.join(names)}", "quorum all-of-them", "")
        )

    def write_policy(self, *, rule: str = "2", names: tuple[str, ...] = NAMES) -> None:
        path = self.root / "log" / "witness.policy"
        path.write_text(self.policy(rule=rule, names=names))

    @contextmanager
    def serving(self, *names: str) -> Iterator[None]:
        with ExitStack() as stack:
            self.urls = dict(DOWN)
            for name in names:
                self.urls[name] = stack.enter_context(serving_witness(self.root / name))
            yield

    def commit(self, *entries: bytes, patience: Patience = SOON) -> tuple[int, ...]:
        with open_log(self.root / "log", patience=patience) as log:
            done = log.sequencer.commit(entries, now=self.now)
            log.sequencer.require_published()
        assert done.checkpoint == self.published()
        return done.indices

    def published(self) -> bytes:
        return (self.root / "log" / "public" / "checkpoint").read_bytes()

    def opened(self, *, rule: str = "2", names: tuple[str, ...] = NAMES) -> CosignedCheckpoint:
        policy = parse_tlog_policy(self.policy(rule=rule, names=names))
        signed = open_policy_checkpoint(self.published(), policy=policy)
        return open_cosignatures(signed, policy=policy)

    def cosigned_by(self) -> list[str]:
        return [cosignature.witness for cosignature in self.opened().cosignatures]


Answering = Callable[[bytes], tuple[int, str, bytes]]


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_address[1]


@contextmanager
def answering(answer: Answering, *, port: int = 0) -> Iterator[str]:
    """A witness that says anything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers["Content-Length"]
            status, media_type, body = answer(self.rfile.read(int(length)))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            del arguments

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def line_of(signature: NoteSignature) -> bytes:
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"— {signature.name} {encoded}\n".encode()


def cosigner(field: Field, name: str) -> Ed25519Cosigner:
    key = parse_private_key((field.root / name / "witness.key").read_text().strip())
    assert isinstance(key, Ed25519Cosigner)
    return key


def cosigning(
    field: Field,
    name: str,
    *,
    text: Callable[[str], str] = lambda text: text,
    timestamp: int = 1_700_000_000,
    rename: str = "",
    flip: int = 0,
) -> Answering:
    def answer(body: bytes) -> tuple[int, str, bytes]:
        said = text(parse_add_checkpoint(body).note.text)
        line = cosigner(field, name).cosign(said, timestamp=timestamp)
        changed = line.signature[:-1] + bytes([line.signature[-1] ^ flip])
        return (
            200,
            "text/plain",
            line_of(NoteSignature(name=rename or line.name, key_id=line.key_id, signature=changed)),
        )

    return answer


def always(status: int, body: bytes, media_type: str = "text/plain") -> Answering:
    return lambda _: (status, media_type, body)


def sleeping(body: bytes) -> tuple[int, str, bytes]:
    del body
    time.sleep(3)
    return 200, "text/plain", b""
