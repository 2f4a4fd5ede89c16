from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pipeline.image.compile.recipe import ENVIRONMENT, HOST_NAME, script
from pipeline.image.compile.sandbox import require_sandbox, run_commands, sandbox_command
from pipeline.image.compile.toolchain_root import unpack_toolchain
from pipeline.image.lock import TOOLCHAIN
from tests.pipeline.image.compile.synthetic_toolchain import toolchain_inputs
from tests.pipeline.image.refusing import refused
from verifier.errors import FetchError, VerificationError

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    made = toolchain_inputs()
    items = [item for item in made if item.role == TOOLCHAIN]
    unpack_toolchain(items, made.__getitem__, folder)
    return folder


def run(root: Path, folder: Path, program: str) -> list[str]:
    said: list[str] = []
    run_commands(script("trying", program), root, folder, jobs=3, say=said.append)
    return said


def test_the_command_line_shuts_everything_out() -> None:
    command = sandbox_command(Path("/r"), Path("/f"), jobs=3)
    assert command[:2] == ("bwrap", "--unshare-all")
    for flag in ("--unshare-user", "--die-with-parent", "--new-session", "--clearenv"):
        assert flag in command
    assert " --cap-drop ALL " in " ".join(command)
    bound = [command[place + 1 : place + 3] for place, part in enumerate(command) if "bind" in part]
    assert bound == [("/r", "/"), ("/f", "/build")]
    given = {
        command[place + 1]: command[place + 2]
        for place, part in enumerate(command)
        if part == "--setenv"
    }
    assert given == {**ENVIRONMENT, "JOBS": "3"}
    assert {"SOURCE_DATE_EPOCH", "LC_ALL", "TZ", "KBUILD_BUILD_TIMESTAMP"} <= given.keys()


@needs_bwrap
def test_a_step_sees_its_folder_the_toolchain_and_nothing_else(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of this machine")
    said = run(
        root,
        tmp_path,
        """\
        id -u > uid
        uname -n > host
        ls / > seen
        ls -la /build > owner
        set > variables
        while read -r name _; do echo "$name"; done < /proc/net/dev > network || true
        touch /usr/bin/x 2> denied || true
        """,
    )
    assert said[0] == "trying, 3 at once"
    assert said[-1].startswith("trying: done in ")
    assert (tmp_path / "uid").read_text() == "1000\n"
    assert (tmp_path / "host").read_text() == f"{HOST_NAME}\n"
    seen = (tmp_path / "seen").read_text().split()
    assert seen == ["bin", "build", "dev", "lib", "lib64", "sbin", "tmp", "usr"]
    assert "SECRET" not in (tmp_path / "variables").read_text()
    assert "Read-only file system" in (tmp_path / "denied").read_text()
    assert not (tmp_path / "network").exists() or not (tmp_path / "network").read_text()


@needs_bwrap
def test_it_is_the_same_inside_another_sandbox(root: Path, tmp_path: Path) -> None:
    outer = ["bwrap", "--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--uid", "1000"]
    outer += ["--gid", "1000", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    outer += ["--bind", str(tmp_path), str(tmp_path), "--"]
    inner = sandbox_command(root, tmp_path, jobs=1)
    program = ["/usr/bin/bash", "-c", "id -u > uid"]
    subprocess.run([*outer, *inner, *program], check=True, timeout=60)
    assert (tmp_path / "uid").read_text() == "1000\n"


@needs_bwrap
def test_a_step_that_fails_is_told_with_what_it_said_last(root: Path, tmp_path: Path) -> None:
    with refused(
        VerificationError, "trying", expected="success", got="exit code 3: 'it does not fit'"
    ):
        run(root, tmp_path, "echo it does not fit; exit 3")
    with refused(VerificationError, "trying", expected="success", got="exit code 1: ''"):
        run(root, tmp_path, "false || exit 1; touch reached")
    assert not (tmp_path / "reached").exists()


@needs_bwrap
def test_a_full_disk_is_not_the_fault_of_what_is_compiled(root: Path, tmp_path: Path) -> None:
    got = "exit code 2: 'cc1: No space left on device'"
    with refused(FetchError, "trying", expected="success", got=got):
        run(root, tmp_path, "echo cc1: No space left on device; exit 2")
    with refused(FetchError, "trying", expected="success", got="exit code 137: ''"):
        run(root, tmp_path, "kill -9 $$")


@needs_bwrap
def test_an_interrupted_step_leaves_no_process(root: Path, tmp_path: Path) -> None:
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path, "while true; do echo x > beat; sleep 0.1; done")
    timer.join()
    time.sleep(0.5)
    (tmp_path / "beat").unlink(missing_ok=True)
    time.sleep(0.5)
    assert not (tmp_path / "beat").exists()


def test_a_machine_without_bwrap_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError) as caught:
        require_sandbox()
    error = caught.value
    assert (error.what, error.expected) == ("sandbox", "the program bwrap")
    assert error.got == "it is not installed"
    assert error.hint == "install bubblewrap; user namespaces must be allowed"


def test_a_bwrap_that_does_not_work_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    got = "'bwrap: No permissions to create new namespace'"
    with refused(FetchError, "sandbox", expected="one that works", got=got):
        require_sandbox()
