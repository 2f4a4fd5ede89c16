"""Unpacking an image, and which level a drive may claim."""

from __future__ import annotations

import stat
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import making
from tests.verifier.drive.deployed import LOG, policy
from tests.verifier.drive.test_drive_machine import ARTIFACTS, SHAPE
from verifier.appraisal.verdict import Target, Verdict
from verifier.drive.artifacts import Tamper
from verifier.drive.direct import Plan, Shown, _level, drive_direct
from verifier.drive.level import Accelerator, Level
from verifier.drive.machine import Boot, Start, read_state
from verifier.drive.sandbox import unpack
from verifier.errors import ParseError


def newc(*entries: tuple[str, int, bytes]) -> bytes:
    archive = b""
    for number, (name, mode, content) in enumerate((*entries, ("TRAILER!!!", 0, b"")), start=1):
        encoded = name.encode() + b"\x00"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + struct.pack("> 13I", *fields).hex().encode() + encoded
        archive += bytes(-len(archive) % 4) + content
        archive += bytes(-len(archive) % 4)
    return archive


def test_an_image_is_unpacked_without_devices_and_owners(tmp_path: Path) -> None:
    image = newc(
        ("bin", stat.S_IFDIR | 0o700, b""),
        ("bin/run", stat.S_IFREG | 0o4711, b"#!"),
        ("etc", stat.S_IFDIR | 0o777, b""),
        ("etc/note", stat.S_IFREG | 0o666, b"text"),
        ("lib", stat.S_IFLNK | 0o777, b"/etc"),
        ("dev", stat.S_IFDIR | 0o755, b""),
        ("dev/null", stat.S_IFCHR | 0o666, b""),
    )
    unpack(image, tmp_path / "root")
    found = {
        path.relative_to(tmp_path / "root").as_posix(): oct(path.lstat().st_mode & 0o7777)
        for path in (tmp_path / "root").rglob("*")
        if not path.is_symlink()
    }
    assert found == {
        "bin": "0o755", "bin/run": "0o555", "etc": "0o755", "etc/note": "0o444", "dev": "0o755",
    }  # fmt: skip
    assert (tmp_path / "root" / "lib").readlink() == Path("/etc")


@pytest.mark.parametrize(
    "entries",
    [
        (("../out", stat.S_IFREG | 0o644, b"x"),),
        (("/out", stat.S_IFREG | 0o644, b"x"),),
        (("way", stat.S_IFLNK | 0o777, b".."), ("way/out", stat.S_IFREG | 0o644, b"x")),
    ],
)
def test_nothing_is_written_outside(
    tmp_path: Path, entries: tuple[tuple[str, int, bytes], ...]
) -> None:
    with pytest.raises(ParseError):
        unpack(newc(*entries), tmp_path / "root")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["root"]


@pytest.mark.parametrize(
    ("received", "start"),
    [
        (b"READY\n", Start.READY),
        (b"READY\nmore", Start.READY),
        (b"READY \n", Start.DECLINED),
        (b"REFUSED no release\n", Start.DECLINED),
        (b"\xff\x00\n", Start.DECLINED),
    ],
)
def test_only_one_word_is_ready(received: bytes, start: Start) -> None:
    assert read_state(received)[0] is start


def boot(accelerator: Accelerator) -> Boot:
    return Boot(
        artifacts=ARTIFACTS,
        table=b"",
        table_gpa=0,
        shape=SHAPE,
        accelerator=accelerator,
        entry=b"",
        proof=b"",
        platform=None,
    )


def verdict(platform: str) -> Verdict:
    return Verdict(
        target=Target("bundle", bytes(32)),
        policy_name="p",
        policy_sha256=bytes(32),
        stages=(),
        instant=making.NOW,
        platform=platform,
        required=(),
        findings=(),
        not_proven=(),
    )


ALL = tuple(
    Shown(f"drive.tamper.{each.replace('-', '_')}", holds=True, expected="", got="")
    for each in Tamper
)
CONTROL = Shown("drive.control", holds=True, expected="", got="")
BROKEN = Shown("drive.control", holds=False, expected="", got="")


@pytest.mark.parametrize(
    ("accelerator", "platform", "shown", "level"),
    [
        (Accelerator.TCG, "simulated", (*ALL, CONTROL), Level.EMULATED_ENFORCED),
        (Accelerator.KVM, "simulated", (*ALL, CONTROL), Level.EMULATED_ENFORCED),
        (Accelerator.TCG, "hardware", (*ALL, CONTROL), Level.EMULATED_ENFORCED),
        (Accelerator.TCG, "simulated", (), Level.EMULATED),
        (Accelerator.TCG, "simulated", (*ALL[1:], CONTROL), Level.EMULATED),
        (Accelerator.TCG, "simulated", (*ALL, BROKEN), Level.EMULATED),
        (Accelerator.SNP, "hardware", (), Level.SNP_HARDWARE),
        (Accelerator.SNP, "simulated", (*ALL, CONTROL), Level.EMULATED),
        (Accelerator.SNP, "", (), Level.EMULATED),
        (Accelerator.BWRAP, "hardware", (*ALL, CONTROL), Level.PROCESS),
    ],
)
def test_a_level_is_never_rounded_up(
    accelerator: Accelerator, platform: str, shown: tuple[Shown, ...], level: Level
) -> None:
    assert _level(boot(accelerator), shown, verdict(platform)) is level


def test_a_sandbox_is_not_tampered_with(tmp_path: Path) -> None:
    plan = Plan(
        artifacts=ARTIFACTS,
        entry=LOG.entries[1],
        proof=LOG.proof(1),
        shape=SHAPE,
        platform=tmp_path,
        policy=policy(),
        policy_text=b"",
        roots=(),
        trusted_root=None,
        now=datetime.now(UTC),
        seconds=1,
        process=True,
    )
    with pytest.raises(ValueError, match="nothing refuses a tamper"):
        drive_direct(plan, tamper=True, say=print)
