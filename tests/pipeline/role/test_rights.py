"""What a role gives up, and that it serves all the same. Most of it can be seen only by root."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.role.rights import lower
from tests.pipeline.roles import (
    AUTHORITY,
    SECONDS,
    Client,
    PathKeys,
    echo,
    listening,
    refused_start,
    running,
    until,
)
from tests.running import ROOT
from verifier.errors import PolicyError
from verifier.wire.tunnel import CloseTunnel
from verifier.wire.tunnel_answer import TunnelProblem

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
UID = 61_190


def status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder that nobody but us may enter."""
    with tempfile.TemporaryDirectory() as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        yield Path(folder)


def test_every_role_gives_up_dumps_and_new_rights(tmp_path: Path) -> None:
    with running("relay", "--gateway", "http://127.0.0.1:9/", folder=tmp_path) as role:
        assert status(role.process.pid)["NoNewPrivs"] == "1"
        limits = Path(f"/proc/{role.process.pid}/limits").read_text()
        core = next(line.split() for line in limits.splitlines() if "core file" in line)
        assert core[4:6] == ["1", "1"]  # 0 would not stop a dump into a program
        assert role.log.stat().st_mode & 0o777 == 0o600


def test_a_limit_that_is_0_already_stays_so_and_ends_no_role() -> None:
    program = f"""
import os, resource
from pipeline.role.rights import limit
core = resource.RLIMIT_CORE
resource.setrlimit(core, (0, 0))
if os.geteuid() == 0:
    os.setresuid({UID}, {UID}, {UID})
limit()
print(resource.getrlimit(core))
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(0, 0)\n"), done.stderr


@ROOT_ONLY
def test_root_becomes_somebody_who_has_no_right_to_its_files(
    path_keys: PathKeys, private: Path
) -> None:
    spent = private / "spent.sqlite"
    with listening(echo) as cvm:
        options = (*path_keys.gateway_options(spent, [cvm.address]), "--uid", UID)
        with running("gateway", *options, folder=private) as gateway:
            seen = status(gateway.process.pid)
            assert seen["Uid"].split() == [str(UID)] * 4
            assert seen["Gid"].split() == [str(UID)] * 4
            assert seen["Groups"].strip() == ""
            assert {seen[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
            client = Client(gateway.url, path_keys.ohttp)
            reply = client.ask(CloseTunnel(AUTHORITY, secrets.token_bytes(16)))
            assert isinstance(reply, TunnelProblem)
            assert gateway.stop()["tunnels_unknown"] == 1


@ROOT_ONLY
def test_a_role_needs_no_right_to_its_own_code_once_it_runs(private: Path) -> None:
    for name in ("pipeline", "verifier"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, private / "code" / name, ignore=ignore)
    program = [sys.executable, "-P", "-B", "-m", "pipeline.relay", "--listen", "127.0.0.1:0"]
    with (
        listening(lambda peer: peer.sendall(peer.recv(1)[:0])) as gateway,
        subprocess.Popen(
            [*program, "--gateway", gateway.url, "--log", private / "log", "--uid", str(UID)],
            cwd=private,
            env={"PYTHONPATH": str(private / "code"), "PATH": os.defpath},
            stdout=subprocess.PIPE,
        ) as role,
    ):
        assert role.stdout is not None
        url = f"http://{role.stdout.readline().decode().split()[1]}/"
        import requests

        headers = {"Content-Type": "message/ohttp-req"}
        reply = requests.post(url, data=b"x", headers=headers, timeout=SECONDS)
        assert reply.json()["type"] == "urn:cvm-audit:problem:gateway-silent"
        role.terminate()
        assert role.wait(SECONDS) == 0
    assert '"failures": 0' in (private / "log").read_text()


def test_only_root_can_become_somebody(tmp_path: Path) -> None:
    options = ("--gateway", "http://127.0.0.1:9/", "--log", tmp_path / "log")
    program = (
        "import os, sys\n"
        "from pipeline.role.rights import lower\n"
        "from verifier.errors import PolicyError\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "try: lower(61190)\n"
        "except PolicyError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "that should become 61190 (expected root that becomes somebody else)" in done.stderr
    for uid in (0, 2**32 - 1, 2**32):
        assert f"{uid} is not in the range" in refused_start("relay", *options, "--uid", uid)


@pytest.mark.parametrize("uid", [0, -1, 2**32 - 1, 2**32])
def test_a_number_that_is_no_user_does_not_leave_us_who_we_are(uid: int) -> None:
    # -1 and 2**32 - 1 are "no change" to setresuid(2): root would go on as root.
    with pytest.raises(PolicyError) as caught:
        lower(uid)
    assert caught.value.got == f"uid {os.geteuid()} that should become {uid}"


def test_a_role_ends_with_its_parent(tmp_path: Path) -> None:
    arguments = ["--listen", "127.0.0.1:0", "--log", str(tmp_path / "log")]
    program = (
        "import os, subprocess, sys, time\n"
        "role = subprocess.Popen([sys.executable, '-m', 'pipeline.relay', '--gateway',"
        f" 'http://127.0.0.1:9/', '--parent', str(os.getpid()), *{arguments!r}],"
        " stdout=subprocess.PIPE)\n"
        "role.stdout.readline()\n"
        "print(role.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        until(lambda: not Path(f"/proc/{pid}").exists() or status(pid)["State"][0] == "Z")


def test_a_role_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    options = ("--gateway", "http://127.0.0.1:9/", "--log", tmp_path / "log")
    line = refused_start("relay", *options, "--parent", 1)
    assert line.startswith("Error: --parent: ")
    assert line.endswith("(expected process 1)")
