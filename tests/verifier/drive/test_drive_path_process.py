"""The drive through the path by the command line: its verdict, and however it ends, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from log_server.signer import Ed25519Signer
from tests import making
from tests.deployment import LoggedImage
from tests.key_documents import OPERATOR, keys_section
from tests.log_server.foreign import publish_foreign
from tests.pipeline.roles import make_keys
from tests.running import ROOT
from tests.verifier.drive.test_drive_machine import gone_within

pytestmark = pytest.mark.slow
ABORTED, PARTIAL = 2, 4
SECONDS = 240


@dataclass(frozen=True)
class LoggedPath:
    """An image and the keys of a path, in one log."""

    image: LoggedImage
    folder: Path

    def command(self, *how: str) -> list[str]:
        """The drive of both, each out of a folder."""
        return self._command(
            *("--release", str(self.folder / "1")),
            *("--artifacts", str(self.image.folder / "artifacts")),
            *("--logged-keys", str(self.folder / "2"), "--logged-keys", str(self.folder / "3")),
            *how,
        )

    def command_from_log(self, *how: str) -> list[str]:
        """The drive of both, out of the log."""
        places = str(self.image.folder / "artifacts")
        return self._command("--log", str(self.folder / "log"), "--from", places, *how)

    def _command(self, *words: str) -> list[str]:
        given = self.image.folder
        return [
            *(sys.executable, "-m", "verifier", "drive", "--platform", str(given / "platform")),
            *("--policy", str(self.folder / "policy.toml"), "--keys", str(self.folder / "keys")),
            *("--trust-root", str(given / "trust"), "--seconds", "120", *words),
        ]


@pytest.fixture(scope="module")
def logged(reference_image: LoggedImage, tmp_path_factory: pytest.TempPathFactory) -> LoggedPath:
    folder = tmp_path_factory.mktemp("logged-path")
    keys = make_keys(folder / "keys")
    configurations = [
        json.loads((keys.folder / "key-configuration" / f"{role}.json").read_bytes())
        for role in ("gateway", "issuer")
    ]
    entries = [making.entry(each, by=OPERATOR) for each in configurations]
    log = making.Log((b"another", reference_image.entry, *entries))
    signer = Ed25519Signer(name=making.ORIGIN, seed=b"L" * 32)
    publish_foreign(folder / "log", log.entries, signer)
    for index in (1, 2, 3):
        place = folder / str(index)
        place.mkdir()
        (place / "entry.json").write_bytes(log.entries[index])
        (place / "entry.tlog-proof").write_bytes(log.proof(index))
    require = ("evidence", "keys", "log", "release")
    policy = making.policy(log, require=require, report_data="session") + keys_section()
    (folder / "policy.toml").write_bytes(policy)
    return LoggedPath(reference_image, folder)


def below(process: int) -> list[int]:
    """Every process that ``process`` started, and that those started."""
    children = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if parent == str(process):
            children += [int(path.name), *below(int(path.name))]
    return children


@contextmanager
def driving(logged: LoggedPath, until: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A drive that has just said ``until``, and its temporary folder."""
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(
            logged.command("--process", "--no-tamper"),
            cwd=ROOT,
            env=os.environ | {"TMPDIR": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        place = Path(name)
        place.chmod(0o711)  # where we are root the guest is nobody, who has to get there
        assert child.stderr is not None
        for line in child.stderr:
            if until in line:
                break
        else:
            raise AssertionError(f"it never said {until}")
        try:
            yield child, place
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("until", ["relay are starting", "roles run", "probe 1 of"])
def test_an_interrupted_drive_leaves_nothing(
    logged: LoggedPath, bubblewrap: str, number: signal.Signals, until: str
) -> None:
    assert bubblewrap
    with driving(logged, until) as (child, place):
        started = below(child.pid)
        assert started
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out) == (ABORTED, "")
        assert err.endswith("cvm-audit: aborted\n")
        assert "Traceback" not in err
        assert [each for each in started if not gone_within(each, 2)] == []
        assert list(place.iterdir()) == []


def test_a_killed_drive_takes_roles_and_guests_with_it(logged: LoggedPath, bubblewrap: str) -> None:
    assert bubblewrap
    with driving(logged, "roles run") as (child, _):
        started = below(child.pid)
        assert len(started) >= 4
        child.kill()
        assert [each for each in started if not gone_within(each, 10)] == []


def test_a_release_of_a_log_is_driven_through_the_path(
    logged: LoggedPath, bubblewrap: str, tmp_path: Path
) -> None:
    assert bubblewrap
    bundle = tmp_path / "bundle.tar"
    done = subprocess.run(
        logged.command_from_log("--process", "--format", "json", "--bundle", str(bundle)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == PARTIAL, done.stderr
    assert "keys of the issuer: entry 3" in done.stderr
    read = json.loads(done.stdout)
    assert (read["verdict"], read["level"]) == ("PARTIAL", "process")
    status = {each["check"]: each["status"] for each in read["findings"]}
    path = {check: status[check] for check in status if check.startswith("drive.path.")}
    assert len(path) == 15
    assert set(path.values()) == {"pass"}, path
    assert status["drive.refuses_unproven"] == "pass"
    assert not [check for check in read["notProven"] if "path" in check]
    again = subprocess.run(
        [
            *(sys.executable, "-m", "verifier", "evidence", "reverify", str(bundle)),
            *("--policy", str(logged.folder / "policy.toml"), "--offline"),
            *("--trust-root", str(logged.image.folder / "trust")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert again.returncode == PARTIAL, again.stdout  # of a sandbox: no measurement is proven
    assert "not proven: release.measurement;" in again.stdout
