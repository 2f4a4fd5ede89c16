"""Our log under a witness of another implementation, and our witness under its clients.

The programs are Go's: ``omniwitness`` and ``loadtest`` of transparency-dev/witness, and Tessera's
``posix-oneshot``. Their paths come from the environment, and without them the tests skip by name.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

from log_server.log_folder import create_log, open_log
from log_server.source import DirectorySource
from log_server.witnessing import Patience
from tests.interop.test_tessera import program, run
from tests.log_server.conftest import Serve, serving
from tests.log_server.examining import require_sound
from tests.log_server.witness.witnesses import make_witness, serving_witness
from verifier.tlog.cosignature import CosignedCheckpoint, open_cosignatures, open_policy_checkpoint
from verifier.tlog.note import VerificationKey, parse_vkey
from verifier.tlog.policy import parse_tlog_policy

__all__ = ["serving"]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:2"
PATIENCE = Patience(answer=5.0, others=0.5, quorum=2.0, again=0.5, refresh=1.0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def _foreign_witness(folder: Path, log: VerificationKey, *, port: int) -> Iterator[str]:
    """Omniwitness with the keys that ``cvm-log witness init`` made in ``folder``."""
    logs = folder / "logs.yaml"
    logs.write_text(f"Logs:\n  - Origin: {log.name}\n    PublicKey: {log}\n    URL: {NOWHERE}/\n")
    keys = []
    for number, line in enumerate((folder / "witness.key").read_text().splitlines()):
        (folder / f"{number}.key").write_text(line)
        keys.append(f"--private_key_path={folder}/{number}.key")
    command = [
        program("CVM_AUDIT_OMNIWITNESS"), f"--listen=127.0.0.1:{port}", "--metrics_listen=",
        f"--db_file={folder}/witness.sqlite", f"--additional_logs={logs}", *keys,
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as witness:
        try:
            _until(lambda: witness.poll() is not None or _answers(port))
            assert witness.poll() is None, witness.communicate()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            witness.kill()
            witness.communicate(timeout=20)


def _policy(log: VerificationKey, witnesses: dict[str, tuple[VerificationKey, str]]) -> str:
    lines = [f"log {log}"]
    lines += [f"witness {name} {key} {url}" for name, (key, url) in witnesses.items()]
    return "\n".join((*lines, f"group two 2 {' '.join(witnesses)}", "quorum two", ""))


def _opened(raw: bytes, policy: str) -> CosignedCheckpoint:
    rules = parse_tlog_policy(policy)
    return open_cosignatures(open_policy_checkpoint(raw, policy=rules), policy=rules)


def _names(raw: bytes, policy: str) -> list[str]:
    return [one.witness for one in _opened(raw, policy).cosignatures]


def test_our_log_under_our_witness_and_a_foreign_one(tmp_path: Path, serving: Serve) -> None:
    program("CVM_AUDIT_OMNIWITNESS")
    key = create_log(tmp_path / "log", origin="interop.invalid/witnessed", now=NOW)
    ours, foreign, down = (
        make_witness(tmp_path / name, key, name=f"interop.invalid/{name}")[0]
        for name in ("ours", "foreign", "down")
    )
    port = _free_port()
    with serving_witness(tmp_path / "ours") as url:
        policy = _policy(
            key,
            {
                "ours": (ours, url),
                "foreign": (foreign, f"http://127.0.0.1:{port}"),
                "down": (down, NOWHERE),
            },
        )
        (tmp_path / "log" / "witness.policy").write_text(policy)
        with (
            _foreign_witness(tmp_path / "foreign", key, port=port),
            open_log(tmp_path / "log", patience=PATIENCE) as log,
            serving(log) as address,
        ):
            for start, end in ((0, 1), (1, 2), (2, 7), (7, 255), (255, 300)):
                entries = b"".join(b"\x00\x05%05d" % number for number in range(start, end))
                assert requests.post(f"{address}/v1/batch", data=entries, timeout=30).ok
            raw = requests.get(f"{address}/checkpoint", timeout=30).content
            assert _names(raw, policy) == ["ours", "foreign"]
            assert _opened(raw, policy).tree.size == 300
            # The same size again, to be fresh: both cosign once more.
            before = log.sequencer.witnessing.cosigned_at
            assert before is not None
            _until(lambda: (log.sequencer.witnessing.cosigned_at or 0) > before)
            assert log.sequencer.witnessing.unrefreshed == ""
        # Two of three are down.
        with open_log(tmp_path / "log", patience=PATIENCE) as log, serving(log) as address:
            refused = requests.post(f"{address}/add", data=b"one more", timeout=30)
            health = requests.get(f"{address}/health", timeout=30)
            assert (refused.status_code, health.status_code) == (503, 503)
            assert health.json()["field"] == "witness quorum"
            got = health.json()["got"]
            assert got.startswith(f"'ours' (foreign: http://127.0.0.1:{port}/add-checkpoint: ")
            assert "; down: http://127.0.0.1:2/add-checkpoint: " in got
            raw = requests.get(f"{address}/checkpoint", timeout=30).content
            assert _opened(raw, policy).tree.size == 300
            # It comes back, and remembers: nothing is submitted, and it is published.
            with _foreign_witness(tmp_path / "foreign", key, port=port):
                _until(lambda: requests.get(f"{address}/health", timeout=30).status_code == 200)
                assert requests.post(f"{address}/add", data=b"one more", timeout=30).text == "300"
    raw = (tmp_path / "log" / "public" / "checkpoint").read_bytes()
    assert (_names(raw, policy), _opened(raw, policy).tree.size) == (["ours", "foreign"], 301)
    assert require_sound(DirectorySource(tmp_path / "log" / "public"), key).size == 301


def test_a_foreign_witness_with_ml_dsa(tmp_path: Path) -> None:
    program("CVM_AUDIT_OMNIWITNESS")
    key = create_log(tmp_path / "log", origin="interop.invalid/both", now=NOW, ml_dsa=True)
    ed25519, mldsa = make_witness(tmp_path / "foreign", key, name="interop.invalid/w", ml_dsa=True)
    with _foreign_witness(tmp_path / "foreign", key, port=_free_port()) as url:
        policy = _policy(key, {"a": (ed25519, url), "b": (mldsa, url)})
        (tmp_path / "log" / "witness.policy").write_text(policy)
        with open_log(tmp_path / "log", patience=PATIENCE) as log:
            log.sequencer.commit((b"one", b"two"), now=NOW)
            log.sequencer.require_published()
    raw = (tmp_path / "log" / "public" / "checkpoint").read_bytes()
    assert (_names(raw, policy), _opened(raw, policy).tree.size) == (["a", "b"], 2)


def test_a_foreign_log_under_our_witness(tmp_path: Path) -> None:
    oneshot = program("CVM_AUDIT_TESSERA_ONESHOT")
    key = create_log(tmp_path / "keys", origin="interop.invalid/tessera", now=NOW)
    (ours,) = make_witness(tmp_path / "ours", key, name="interop.invalid/ours")
    with serving_witness(tmp_path / "ours") as url:
        policy = f"witness w {ours} {url}\ngroup g all w\nquorum g\n"
        (tmp_path / "policy").write_text(policy)
        for size, names in ((3, ("a1", "a2", "a3")), (5, ("b1", "b2"))):
            for name in names:
                (tmp_path / name).write_text(name)
            done = run(
                oneshot,
                f"--storage_dir={tmp_path}/tessera",
                f"--entries={tmp_path}/{names[0][0]}?",
                f"--private_key={tmp_path}/keys/log.key",
                f"--witness_policy_file={tmp_path}/policy",
                "--witness_timeout=10s",
            )
            assert done.returncode == 0, done.stderr
            raw = (tmp_path / "tessera" / "checkpoint").read_bytes()
            opened = _opened(raw, f"log {key}\n{policy}")
            assert (opened.tree.size, [one.witness for one in opened.cosignatures]) == (size, ["w"])
    assert require_sound(DirectorySource(tmp_path / "tessera"), key).size == 5


def test_a_foreign_client_loads_our_witness(tmp_path: Path) -> None:
    loadtest = program("CVM_AUDIT_WITNESS_LOADTEST")
    logs = run(loadtest).stdout  # without a target it names its logs, always the same
    keys = [parse_vkey(line.split()[1]) for line in logs.splitlines() if "PublicKey: " in line]
    assert len(keys) == 50
    make_witness(tmp_path / "ours", *keys, name="interop.invalid/ours")
    with serving_witness(tmp_path / "ours") as url:
        done = run(
            loadtest, f"--target={url}", "--timeout=5s", "--start_qps=40", "--success_qps=39",
            "--num_extra_sigs=2",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Exiting successfully" in done.stderr
    assert list((tmp_path / "ours" / "public").glob("*/checkpoint"))
