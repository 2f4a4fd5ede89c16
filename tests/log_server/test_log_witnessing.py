"""Our log under witnesses: ours, two of three, none, and bad ones."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from log_server.errors import ConfigurationError, QuorumError, StoppedError, StorageError
from log_server.intake import RETRY_SECONDS
from log_server.log_folder import create_log, open_log
from log_server.signer import Ed25519Cosigner
from log_server.witness.request import parse_add_checkpoint
from log_server.witnessing import Patience
from tests.log_server.conftest import Serve
from tests.log_server.witness.witnesses import make_witness, serving_witness
from verifier.tlog.cosignature import (
    CosignedCheckpoint,
    open_cosignatures,
    open_policy_checkpoint,
)
from verifier.tlog.note import NoteSignature, VerificationKey
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


@pytest.fixture
def field(tmp_path: Path, now: datetime) -> Field:
    return Field(tmp_path, now)


def test_all_witnesses_cosign_what_is_published(field: Field) -> None:
    with field.serving(*NAMES):
        field.write_policy()
        assert field.commit(b"a", b"b") == (0, 1)
        assert field.cosigned_by() == list(NAMES)
        assert field.commit(b"c", b"a") == (2, 0)
        assert field.opened(rule="all").tree.size == 3


def test_two_of_three_are_enough(field: Field) -> None:
    with field.serving("one", "three"):
        field.write_policy()
        assert field.commit(b"a") == (0,)
        assert field.cosigned_by() == ["one", "three"]


def test_one_of_three_is_not_and_the_reason_is_named(field: Field) -> None:
    before = field.published()
    with field.serving("one"):
        field.write_policy()
        with open_log(field.root / "log", patience=ONCE) as log:
            for entry in (b"a", b"b"):
                with pytest.raises(QuorumError) as caught:
                    log.sequencer.commit((entry,), now=field.now)
            assert field.published() == before
            error = caught.value
            assert (error.what, error.expected) == (
                "witness quorum",
                "'all-of-them = 2 of (one two three)'",
            )
            assert error.got.startswith("'one' (two: http://127.0.0.1:3/add-checkpoint: Connect")
            assert "; three: http" in error.got
            with pytest.raises(QuorumError) as healthy:
                log.sequencer.require_published()
            assert healthy.value.got == error.got
            assert log.sequencer.head.tree.size == 2


def test_what_was_not_published_is_when_witnesses_come_back(field: Field) -> None:
    with field.serving():
        field.write_policy()
        with pytest.raises(QuorumError):
            field.commit(b"a", patience=ONCE)
    with field.serving("two", "three"):
        field.write_policy()
        # Opening is enough: nothing new has to come.
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.require_published()
        assert field.opened().tree.size == 1
        assert field.commit(b"a") == (0,)


def test_a_running_log_goes_on_by_itself_when_asked_again(field: Field) -> None:
    port = _free_port()
    field.urls["two"] = f"http://127.0.0.1:{port}"
    field.write_policy(rule="any", names=("one", "two"))
    with open_log(field.root / "log", patience=ONCE) as log:
        with pytest.raises(QuorumError):
            log.sequencer.commit((b"a",), now=field.now)
        with answering(_cosigning(field, "two"), port=port):
            done = log.sequencer.commit((b"a",), now=field.now)
            log.sequencer.require_published()
    assert done.indices == (0,)
    assert done.checkpoint == field.published()


def test_a_witness_that_missed_heads_catches_up(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        for number in range(5):
            field.commit(b"entry %d" % number)
    with field.serving("two", "three"):
        field.write_policy()
        # To the log of this run all are new, so each says by 409 where it is.
        assert field.commit(*(b"more %d" % number for number in range(300)))[-1] == 304
        assert field.cosigned_by() == ["two", "three"]
    with field.serving("one", "three"):
        field.write_policy(rule="all", names=("one", "three"))
        field.commit(b"last")
        assert field.opened(rule="all", names=("one", "three")).tree.size == 306


def test_a_failure_after_the_witnesses_saw_a_head_loses_nothing(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, content: bytes) -> None:
        del content
        raise StorageError(path, expected="a durable write", got="no space")

    with field.serving("one", "two"):
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            monkeypatch.setattr(log.publisher, "replace", fail)
            with pytest.raises(StorageError):
                log.sequencer.commit((b"a", b"b"), now=field.now)
            with pytest.raises(StoppedError):
                log.sequencer.commit((b"c",), now=field.now)
            seen = log.sequencer.head.checkpoint
        assert field.commit(b"b", b"a") == (1, 0)
        # The same signed bytes, and not a second signature for this size.
        assert field.published().startswith(seen)
        assert field.cosigned_by() == ["one", "two"]


def test_a_restart_without_news_asks_nobody(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        field.commit(b"a")
        before = field.published()
    with field.serving():
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.require_published()
    assert field.published() == before


def test_cosignatures_stay_when_the_policy_goes(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        field.commit(b"a")
    before = field.published()
    (field.root / "log" / "witness.policy").unlink()
    with open_log(field.root / "log") as log:
        assert log.sequencer.commit((b"a",), now=field.now).checkpoint == before
    assert field.published() == before


def test_two_keys_of_one_witness_come_in_one_answer(tmp_path: Path, now: datetime) -> None:
    key = create_log(tmp_path / "log", origin="log.test/both", now=now, ml_dsa=True)
    ed25519, mldsa = make_witness(tmp_path / "w", key, ml_dsa=True)
    with serving_witness(tmp_path / "w") as url:
        (tmp_path / "log" / "witness.policy").write_text(
            f"witness a {ed25519} {url}\nwitness b {mldsa} {url}\ngroup g all a b\nquorum g\n"
        )
        with open_log(tmp_path / "log", patience=SOON) as log:
            done = log.sequencer.commit((b"a",), now=now)
    policy = parse_tlog_policy((tmp_path / "log" / "witness.policy").read_text())
    opened = open_cosignatures(
        open_policy_checkpoint(
            done.checkpoint, policy=parse_tlog_policy(f"log {key}\nquorum none\n")
        ),
        policy=policy,
    )
    assert len(opened.cosignatures) == 2


Answering = Callable[[bytes], tuple[int, str, bytes]]


def _free_port() -> int:
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


def _line(signature: NoteSignature) -> bytes:
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"— {signature.name} {encoded}\n".encode()


def _cosigner(field: Field, name: str) -> Ed25519Cosigner:
    from log_server.signer import parse_private_key

    key = parse_private_key((field.root / name / "witness.key").read_text().strip())
    assert isinstance(key, Ed25519Cosigner)
    return key


def _cosigning(
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
        line = _cosigner(field, name).cosign(said, timestamp=timestamp)
        changed = line.signature[:-1] + bytes([line.signature[-1] ^ flip])
        return (
            200,
            "text/plain",
            _line(NoteSignature(name=rename or line.name, key_id=line.key_id, signature=changed)),
        )

    return answer


def _always(status: int, body: bytes, media_type: str = "text/plain") -> Answering:
    return lambda _: (status, media_type, body)


def _sleeping(body: bytes) -> tuple[int, str, bytes]:
    del body
    time.sleep(3)
    return 200, "text/plain", b""


BAD: dict[str, tuple[Callable[[Field], Answering], str]] = {
    "garbage": (lambda _: _always(200, b"\xff\x00"), "note"),
    "nothing": (lambda _: _always(200, b""), "note"),
    "a page": (lambda _: _always(200, b"<html>hello</html>\n"), "signature line"),
    "no line end": (lambda f: lambda b: (200, "", _cosigning(f, "one")(b)[2][:-1]), "note"),
    "a checkpoint": (lambda f: _always(200, f.published()), "cosignature lines"),
    "another text": (
        lambda f: _cosigning(f, "one", text=lambda t: f"{t}more\n"),
        "does not verify",
    ),
    "a flipped bit": (lambda f: _cosigning(f, "one", flip=1), "does not verify"),
    "another name": (lambda f: _cosigning(f, "one", rename="wit.test/other"), "cosignature: "),
    "another witness": (lambda f: _cosigning(f, "two"), "cosignature: "),
    "time 0": (lambda f: _cosigning(f, "one", timestamp=0), "a time other than 0"),
    "time out": (lambda _: _sleeping, "no answer yet"),
    "500": (lambda _: _always(500, b"broken"), "500"),
    "429": (lambda _: _always(429, b"later"), "429"),
    "redirect": (lambda _: _always(302, b""), "302"),
    "422": (lambda _: _always(422, b"no"), "consistency with what the witness cosigned"),
    "409 without a size": (lambda _: _always(409, b""), "consistency with what the witness"),
    "409 beyond": (lambda _: _always(409, b"99\n", "text/x.tlog.size"), "at most 1"),
    "409 malformed": (lambda _: _always(409, b"01\n", "text/x.tlog.size"), "size cosigned last"),
    "409 for ever": (lambda _: _always(409, b"0\n", "text/x.tlog.size"), "409 4 times"),
    "too long": (lambda _: _always(200, b"x" * 70_000), "at most 65536 bytes"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_answer_counts_for_nothing_and_is_named(field: Field, how: str) -> None:
    make, reason = BAD[how]
    before = field.published()
    with answering(make(field)) as url:
        field.urls["one"] = url
        field.write_policy(rule="all", names=("one",))
        with pytest.raises(QuorumError) as caught:
            field.commit(b"a", patience=ONCE)
    assert caught.value.got.startswith("no cosignature (one: ")
    assert reason in caught.value.got
    assert field.published() == before


@pytest.mark.parametrize("how", ["garbage", "a flipped bit", "another name", "time out"])
def test_a_bad_witness_does_not_hold_up_the_others(field: Field, how: str) -> None:
    with field.serving("two", "three"), answering(BAD[how][0](field)) as url:
        field.urls["one"] = url
        field.write_policy()
        begun = time.monotonic()
        assert field.commit(b"a") == (0,)
        assert time.monotonic() - begun < 2.0
        assert field.cosigned_by() == ["two", "three"]


def test_a_witness_that_hangs_costs_the_next_heads_nothing(field: Field) -> None:
    with field.serving("two", "three"), answering(_sleeping) as url:
        field.urls["one"] = url
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.commit((b"0",), now=field.now)
            begun = time.monotonic()
            for number in range(1, 6):
                later = field.now + timedelta(seconds=number)
                log.sequencer.commit((b"%d" % number,), now=later)
            assert time.monotonic() - begun < 5 * SOON.others
            assert field.opened().tree.size == 6


def _unusable(field: Field, text: str) -> ConfigurationError:
    (field.root / "log" / "witness.policy").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        field.commit(b"a")
    return caught.value


def test_policies_that_cannot_serve_this_log(field: Field) -> None:
    key, other = field.keys["one"], _other_log()
    url = "http://127.0.0.1:9"
    refused = _unusable(field, f"witness w {key} {url}\n")
    assert refused.expected == "exactly one quorum line"
    refused = _unusable(field, f"log {other}\nwitness w {key} {url}\nquorum w\n")
    assert (refused.what, refused.got) == ("logs of the witness policy", "others")
    refused = _unusable(field, "quorum none\n")
    assert (refused.expected, refused.got) == ("1 to 64 witnesses", "0")
    for place, got in (("", "none"), ("ftp://x", "ftp://x")):
        refused = _unusable(field, f"witness w {key} {place}\nquorum w\n")
        assert (refused.what, refused.got) == ("witness w of the policy", got)


def _other_log() -> VerificationKey:
    from log_server.signer import Ed25519Signer

    return Ed25519Signer(name="log.test/other", seed=bytes(32)).key


def test_a_policy_file_that_is_not_there(field: Field) -> None:
    missing = field.root / "nowhere"
    with (
        pytest.raises(ConfigurationError) as caught,
        open_log(field.root / "log", witness_policy=missing),
    ):
        pytest.fail("it opened")
    assert (caught.value.what, caught.value.expected) == ("nowhere", "a tlog-policy file")


def test_over_http_two_down_is_503_and_health_says_why(field: Field, serving: Serve) -> None:
    with field.serving("one"):
        field.write_policy()
        with open_log(field.root / "log", patience=ONCE) as log, serving(log) as url:
            refused = requests.post(f"{url}/add", data=b"a", timeout=30)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.json()["field"] == "witness quorum"
            health = requests.get(f"{url}/health", timeout=30)
            assert health.status_code == 503
            assert health.json()["got"].startswith("'one' (two: http://127.0.0.1:3/")
            assert b"\n0\n" in requests.get(f"{url}/checkpoint", timeout=30).content


def test_over_http_one_down_is_published(field: Field, serving: Serve) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log, serving(log) as url:
            answer = requests.post(f"{url}/add", data=b"a", timeout=30)
            assert (answer.status_code, answer.text) == (200, "0")
            assert requests.get(f"{url}/checkpoint", timeout=30).content == field.published()
            assert requests.get(f"{url}/health", timeout=30).json()["status"] == "ok"
    assert field.cosigned_by() == ["one", "two"]


def test_an_idle_log_publishes_when_its_witness_comes_back(field: Field, serving: Serve) -> None:
    port = _free_port()
    field.urls["two"] = f"http://127.0.0.1:{port}"
    field.write_policy(rule="any", names=("two",))
    with open_log(field.root / "log", patience=ONCE) as log, serving(log) as url:
        assert requests.post(f"{url}/add", data=b"a", timeout=30).status_code == 503
        with answering(_cosigning(field, "two"), port=port):
            end = time.monotonic() + RETRY_SECONDS + 15
            while requests.get(f"{url}/health", timeout=30).status_code != 200:
                assert time.monotonic() < end
                time.sleep(0.2)
    assert b"\n1\n" in field.published()
