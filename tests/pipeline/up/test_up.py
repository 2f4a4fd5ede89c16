"""The whole path, started as an operator does: a client reaches a CVM, and nothing outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from tests import making
from tests.pipeline.roles import (
    AUTHORITY,
    ISSUER_NAME,
    SECONDS,
    Address,
    Client,
    PathKeys,
    echo,
    listening,
    until,
)
from tests.running import ROOT
from verifier.drive.tap import Direction, tapping
from verifier.wire.key_configuration import KEYS_PATH, parse_key_document
from verifier.wire.tunnel import CloseTunnel, ContinueTunnel, OpenTunnel
from verifier.wire.tunnel_answer import TunnelAnswer, TunnelClosed, TunnelProblem

ROLES = ("keycdn", "issuer", "gateway", "relay")
LOG = making.Log((b'{"a": "key configuration"}',))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", "CANARY": "of the environment"}


@dataclass(frozen=True)
class UpPath:
    """A path that is up."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "deployment.json"

    @property
    def deployment(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.file.read_bytes())
        return document

    @property
    def pids(self) -> dict[str, int]:
        return {role["role"]: role["pid"] for role in self.deployment["roles"]}

    def address(self, name: str) -> Address:
        role = next(role for role in self.deployment["roles"] if role["role"] == name)
        host, _, port = role["address"].rpartition(":")
        return host, int(port)

    def end(self) -> tuple[int, str]:
        """How it ended, and the last line that it said about it."""
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said.rstrip("\n").rsplit("\n", 1)[-1]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def logged(folder: Path) -> Path:
    place = folder / "logged"
    place.mkdir(exist_ok=True)
    (place / "entry.json").write_bytes(LOG.entries[0])
    (place / "entry.tlog-proof").write_bytes(LOG.proof(0))
    return place


def command(folder: Path, keys: PathKeys, *options: object) -> list[str]:
    words = ("--dir", folder / "up", "--keys", keys.folder, "--logged", logged(folder), *options)
    return [sys.executable, "-m", "pipeline.up", *map(str, words)]


@contextlib.contextmanager
def up(folder: Path, keys: PathKeys, *options: object) -> Iterator[UpPath]:
    with subprocess.Popen(
        command(folder, keys, *options),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line == f"READY {folder / 'up' / 'deployment.json'}\n", process.stderr.read()
        path = UpPath(process, folder / "up")
        pids = path.pids
        try:
            yield path
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            finally:
                process.kill()
            until(lambda: not [pid for pid in pids.values() if alive(pid)])


def test_a_client_reaches_a_cvm_through_the_whole_path(path_keys: PathKeys, tmp_path: Path) -> None:
    with (
        listening(echo) as cvm,
        tapping(limit=1_000_000) as tap,
        up(
            tmp_path,
            path_keys,
            *("--cvm", f"127.0.0.1:{cvm.address[1]}"),
            *("--gateway-at", f"127.0.0.1:{tap.address[1]}"),
        ) as path,
    ):
        tap.forward_to(path.address("gateway"))
        deployment = path.deployment
        schema = json.loads((ROOT / "schemas" / "deployment.v1.schema.json").read_bytes())
        jsonschema.validate(deployment, schema)
        names = deployment["authority"], deployment["issuerName"]
        assert names == (AUTHORITY, ISSUER_NAME)

        document = requests.get(deployment["keyCdn"] + KEYS_PATH, timeout=SECONDS).content
        assert [each.entry for each in parse_key_document(document)] == list(LOG.entries)

        relay = deployment["relay"] + "/"
        client = Client(relay, path_keys.ohttp, deployment["issuer"], path_keys.bearer)
        token = client.token(path_keys)
        answer = client.ask(OpenTunnel(AUTHORITY, token, b"canary one"))
        assert isinstance(answer, TunnelAnswer)
        assert answer.records == b"CANARY ONE"
        tunnel = answer.tunnel
        second = client.ask(ContinueTunnel(AUTHORITY, tunnel, 1, b"canary two"))
        assert second == TunnelAnswer(tunnel, b"CANARY TWO")
        assert client.ask(CloseTunnel(AUTHORITY, tunnel)) == TunnelClosed()

        recordings = tap.recordings()
        assert len(recordings) == 3
        passed = b"".join(each.content(direction) for each in recordings for direction in Direction)
        for absent in (b"canary", b"CANARY", token.nonce, token.raw[98:], tunnel, b"PrivateToken"):
            assert absent not in passed
        heads = {
            each.content(Direction.THERE).partition(b"\r\n\r\n")[0].partition(b"Content-Length")[0]
            for each in recordings
        }
        assert len(heads) == 1
        assert alive(path.pids["relay"])


def test_it_stops_when_it_is_told_to(path_keys: PathKeys, tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9") as path:
            pids = path.pids
            assert sorted(pids) == sorted(ROLES)
            assert all(alive(pid) for pid in pids.values())
            path.process.send_signal(number)
            assert path.end() == (0, "")
            assert not [pid for pid in pids.values() if alive(pid)]
            assert not path.file.exists()
            for role in ROLES:
                assert (path.folder / role / "stderr").read_bytes() == b""
                log = (path.folder / role / "counts.log").read_text("ascii").splitlines()
                assert json.loads(log[-1])["counts"]["failures"] == 0


@pytest.mark.parametrize("role", ROLES)
def test_the_death_of_a_role_is_told_and_ends_the_others(
    path_keys: PathKeys, tmp_path: Path, role: str
) -> None:
    with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9") as path:
        pids = path.pids
        os.kill(pids[role], signal.SIGKILL)
        expected = f"Error: path: {role} ended: killed by SIGKILL (expected every role)"
        assert path.end() == (1, expected)
        assert not [pid for pid in pids.values() if alive(pid)]
        assert not path.file.exists()


def test_when_it_is_killed_no_role_outlives_it(path_keys: PathKeys, tmp_path: Path) -> None:
    with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9") as path:
        pids = path.pids
        path.process.kill()
        path.process.wait()
        until(lambda: not [pid for pid in pids.values() if alive(pid)])


def test_a_role_that_is_replaced_runs_instead(path_keys: PathKeys, tmp_path: Path) -> None:
    with (
        listening(echo) as cvm,
        tapping(limit=1_000_000) as tap,
        up(
            tmp_path,
            path_keys,
            *("--cvm", f"127.0.0.1:{cvm.address[1]}"),
            *("--gateway-at", f"127.0.0.1:{tap.address[1]}"),
            *("--replace", "relay=tests.pipeline.up.marking_relay"),
        ) as path,
    ):
        tap.forward_to(path.address("gateway"))
        client = Client(path.deployment["relay"] + "/", path_keys.ohttp)
        reply = client.ask(CloseTunnel(AUTHORITY, bytes(16)))
        assert isinstance(reply, TunnelProblem)
        (recording,) = tap.recordings()
        assert b"\r\nX-Client: alice\r\n" in recording.content(Direction.THERE)


def test_roles_get_nothing_of_our_environment(path_keys: PathKeys, tmp_path: Path) -> None:
    with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9") as path:
        for pid in path.pids.values():
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            names = {variable.split(b"=")[0] for variable in variables if variable}
            assert names == {b"LC_ALL", b"PATH", b"PYTHONPATH"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_root_every_role_is_somebody_else(path_keys: PathKeys, tmp_path: Path) -> None:
    for options, uids in (
        ((), [61184, 61185, 61186, 61187]),
        (("--first-uid", 61300), [61300, 61301, 61302, 61303]),
        (("--same-user",), [0, 0, 0, 0]),
    ):
        with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9", *options) as path:
            pids = path.pids
            found = [Path(f"/proc/{pids[role]}").stat().st_uid for role in ROLES]
            assert found == uids
            for role in ROLES:
                assert (path.folder / role).stat().st_mode & 0o777 == 0o700


def refused(folder: Path, keys: PathKeys, *options: object) -> tuple[int, str]:
    done = subprocess.run(
        command(folder, keys, *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * SECONDS,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.rstrip("\n").rsplit("\n", 1)[-1]


def test_a_role_that_does_not_start_is_told(path_keys: PathKeys, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"issuer=127.0.0.1:{taken.getsockname()[1]}"
        options = ("--cvm", "127.0.0.1:9", "--listen", listen)
        code, line = refused(tmp_path, path_keys, *options)
    assert code == 1
    assert line.startswith("Error: issuer: exit code 1; Error: [Errno 98] Address already in use")
    assert not (tmp_path / "up" / "gateway").exists()


def test_a_folder_has_one_path_at_a_time(path_keys: PathKeys, tmp_path: Path) -> None:
    with up(tmp_path, path_keys, "--cvm", "127.0.0.1:9") as path:
        before = path.file.read_bytes()
        code, line = refused(tmp_path, path_keys, "--cvm", "127.0.0.1:9")
        assert code == 1
        assert (
            line == f"Error: {path.folder}: one does (expected a folder that no other path runs in)"
        )
        assert path.file.read_bytes() == before
        for role in ROLES:
            said = (path.folder / role / "stdout").read_text("ascii")
            assert said.startswith("LISTENING ")
        assert all(alive(pid) for pid in path.pids.values())


def test_a_folder_that_cannot_be_made_is_told(path_keys: PathKeys, tmp_path: Path) -> None:
    (tmp_path / "up").write_text("a file")
    code, line = refused(
        tmp_path, path_keys, "--cvm", "127.0.0.1:9", "--dir", tmp_path / "up" / "x"
    )
    assert code == 1
    assert line.startswith("Error: [Errno 20] Not a directory")


def test_a_module_that_is_no_role_is_told(path_keys: PathKeys, tmp_path: Path) -> None:
    options = ("--cvm", "127.0.0.1:9", "--replace")
    code, line = refused(tmp_path, path_keys, *options, "keycdn=no.such.module")
    assert code == 1
    assert line.startswith("Error: keycdn: exit code 1; ")
    assert "No module named 'no'" in line
    code, line = refused(tmp_path, path_keys, *options, "keycdn=json.tool")
    assert code == 1
    assert line.startswith("Error: keycdn: exit code 2; ")
    code, line = refused(tmp_path, path_keys, *options, "keycdn=this")  # speaks, does not listen
    assert code == 1
    assert "The Zen of Python" in line


@pytest.mark.parametrize(
    "value", ["node=x", "relay", "relay=", "=x"], ids=["role", "value", "empty", "name"]
)
def test_unknown_roles_are_refused(path_keys: PathKeys, tmp_path: Path, value: str) -> None:
    code, line = refused(tmp_path, path_keys, "--cvm", "127.0.0.1:9", "--replace", value)
    assert code == 2
    assert "ROLE=VALUE once a role, with ROLE one of keycdn, issuer, gateway, relay" in line


def test_without_a_cvm_there_is_no_path(path_keys: PathKeys, tmp_path: Path) -> None:
    assert refused(tmp_path, path_keys) == (2, "Error: Missing option '--cvm'.")
