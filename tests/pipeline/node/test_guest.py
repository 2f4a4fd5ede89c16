"""What PID 1 looks for, and what it says when it refuses. Its system calls need a machine."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.node import init, linux
from pipeline.node.guest import PORTS, find_interface, find_port
from pipeline.node.node import refusal_line
from tests.running import ROOT
from verifier.errors import VerificationError


def test_the_first_line_starts_an_isolated_interpreter() -> None:
    path = ROOT / "pipeline" / "node" / "init.py"
    assert path.read_bytes().startswith(b"#!/usr/bin/python3.13 -IS\n")
    assert path.stat().st_mode & stat.S_IXUSR


def test_init_finds_the_program_in_the_image_and_nowhere_else() -> None:
    # Here the folders of the image do not exist, so an isolated interpreter finds nothing.
    done = subprocess.run(
        [sys.executable, "-IS", str(ROOT / "pipeline" / "node" / "init.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"ModuleNotFoundError: No module named 'pipeline'", done.stderr)
    assert (init.CODE, init.PACKAGES) == ("/usr/lib/cvm", "/usr/lib/cvm/packages")


def interfaces(root: Path, *names: str, real: tuple[str, ...]) -> Path:
    for name in names:
        (root / name).mkdir()
        if name in real:
            (root / name / "device").mkdir()
    return root


@pytest.mark.parametrize(
    ("names", "real", "found"),
    [
        (("eth0", "lo", "sit0"), ("eth0",), "eth0"),
        (("lo", "sit0"), (), None),
        (("eth0", "eth1"), ("eth0", "eth1"), None),
        ((), (), None),
    ],
)
def test_the_card_is_the_one_with_a_device(
    tmp_path: Path, names: tuple[str, ...], real: tuple[str, ...], found: str | None
) -> None:
    assert find_interface(interfaces(tmp_path, *names, real=real)) == found


def test_ports_are_found_by_their_names(tmp_path: Path) -> None:
    for number, name in enumerate((*PORTS.values(), "other", "twice", "twice")):
        (tmp_path / f"vport0p{number}").mkdir()
        (tmp_path / f"vport0p{number}" / "name").write_text(f"{name}\n")
    assert PORTS["release"] == "cvm-audit.release.0"
    assert [find_port(name, tmp_path) for name in PORTS.values()] == [
        "/dev/vport0p0",
        "/dev/vport0p1",
        "/dev/vport0p2",
    ]
    assert find_port("twice", tmp_path) is None
    assert find_port("cvm-audit", tmp_path) is None
    assert find_port("other", tmp_path / "absent") is None


def test_a_refusal_is_one_line_whatever_it_quotes() -> None:
    error = VerificationError("ro\nle", expected="ä\x1b[2J", got="x" * 1000)
    line = refusal_line(error)
    assert re.fullmatch(r"REFUSED [ -~]{1,400}\n", line)


def test_a_system_call_that_fails_says_what_and_why(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        linux.mount("none", str(tmp_path / "absent"), "proc", linux.MS_NODEV)
    with pytest.raises(FileNotFoundError):
        linux.load_module(str(tmp_path / "absent.ko"))
    with pytest.raises(OSError, match=r"No such device|not permitted"):
        linux.bring_up("nonesuch0", "10.0.2.15", "255.255.255.0")
