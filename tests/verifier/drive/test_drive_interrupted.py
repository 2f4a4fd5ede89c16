"""However a drive is ended, nothing of it goes on, and where it can it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deployment import LoggedImage
from tests.running import ROOT
from tests.verifier.drive.test_drive_boot import machines_of
from tests.verifier.drive.test_drive_machine import gone_within
from verifier.drive.workplace import workplace

pytestmark = pytest.mark.slow
ABORTED = 2


@contextmanager
def driving(
    image: LoggedImage, *how: str
) -> Iterator[tuple[subprocess.Popen[str], list[int], Path]]:
    """A drive that is booting, the processes that it has started, and its temporary folder."""
    command = [sys.executable, "-m", "verifier", *map(str, image.words()), *how]
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        place = Path(name)
        place.chmod(0o711)  # where we are root the guest is nobody, who has to get there
        deadline = time.monotonic() + 60
        while len(machines_of(child.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        machines = machines_of(child.pid)
        assert len(machines) == 2
        assert [each.name[:10] for each in place.iterdir()] == ["cvm-audit-"]
        yield child, machines, place


@pytest.mark.parametrize("how", [(), ("--process",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drive_leaves_nothing(
    reference_image: LoggedImage,
    qemu: str,
    bubblewrap: str,
    number: signal.Signals,
    how: tuple[str, ...],
) -> None:
    assert qemu
    assert bubblewrap
    with driving(reference_image, *how) as (child, machines, place):
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
        assert child.returncode == ABORTED
        assert out == ""
        assert err.endswith("cvm-audit: aborted\n")
        assert "Traceback" not in err
        assert [gone_within(each, 0) for each in machines] == [True, True]
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("how", [(), ("--process",)])
def test_a_killed_drive_leaves_a_folder_that_the_next_one_removes(
    reference_image: LoggedImage,
    qemu: str,
    bubblewrap: str,
    monkeypatch: pytest.MonkeyPatch,
    how: tuple[str, ...],
) -> None:
    assert qemu
    assert bubblewrap
    with driving(reference_image, *how) as (child, machines, place):
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with workplace("") as ours:
            assert len(list(place.iterdir())) == 2  # a drive that runs is left alone
            child.kill()
            assert [gone_within(each, 10) for each in machines] == [True, True]
            child.wait()
            with workplace(""):
                assert len(list(place.iterdir())) == 2
                assert ours.folder.exists()
        assert list(place.iterdir()) == []
