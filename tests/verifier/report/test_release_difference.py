from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.archives import tree
from tests.making import changed, entry, publisher, statement
from tests.running import cvm_audit


def kernel(banner: bytes) -> bytes:
    raw = bytearray(0x400)
    raw[0x20E:0x210] = struct.pack("<H", 0x100)
    raw[0x300 : 0x300 + len(banner)] = banner
    return bytes(raw)


def sbom(**versions: str) -> bytes:
    components: list[dict[str, Any]] = [
        {"name": name, "version": version} for name, version in versions.items()
    ]
    for component in components:
        version, _, digest = component["version"].partition("@")
        if digest:
            component |= {
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest * 64}],
            }
    return json.dumps({"components": components}).encode()


def configuration(*lines: str) -> bytes:
    return "\n".join(("# Linux/x86 6.12 Kernel Configuration", "", *lines, "")).encode()


OLD = {
    "kernel": kernel(b"6.12.1 (build@host)"),
    "initrd": tree({"init": b"one\n", "gone": b""}),
    "command-line": b"quiet panic=-1 debug",
    "sbom": sbom(libc6="2.41", openssl="3.5@a", zlib="1.3"),
    "guest-policy": b'{"publishers": ["old.invalid+00"], "publisherThreshold": 1}',
    "kernel-config": configuration(
        "CONFIG_PCI=y", "# CONFIG_DEVMEM is not set", 'CONFIG_CMDLINE="quiet"', "CONFIG_TSM=m"
    ),
}
NEW = {
    "kernel": kernel(b"6.12.2 (build@host)"),
    "initrd": tree({"init": b"two\n", "new": b""}),
    "command-line": b"quiet panic=0",
    "sbom": sbom(libc6="2.42", openssl="3.5@b", zstd="1.5"),
    "guest-policy": b'{"publishers": ["new.invalid+01"], "publisherThreshold": 1}',
    "kernel-config": configuration(
        "CONFIG_PCI=y", "CONFIG_DEVMEM=y", 'CONFIG_CMDLINE="quiet"', "CONFIG_IPV6=y"
    ),
}


def document(artifacts: dict[str, bytes]) -> dict[str, Any]:
    stated = statement(
        artifacts=[
            {"name": f"{role}.bin", "role": role, "size": len(raw), "locations": []}
            for role, raw in artifacts.items()
        ]
    )
    stated["subject"] = [
        {"name": f"{role}.bin", "digest": {"sha256": sha256(raw).hexdigest()}}
        for role, raw in artifacts.items()
    ]
    return stated


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    for side, artifacts in (("old", OLD), ("new", NEW)):
        (tmp_path / side).mkdir()
        for role, raw in artifacts.items():
            (tmp_path / side / f"{role}.bin").write_bytes(raw)
    (tmp_path / "old.json").write_bytes(entry(document(OLD)))
    new = document(NEW)
    for path, value in (
        ("predicate/version", "1.1.0"),
        ("predicate/measurements/0/value", "22" * 48),
        ("predicate/expectedEvidence/minimumTcb/Milan/snp", 9),
        ("predicate/build/lockSha256", "cc" * 32),
    ):
        new = changed(new, path, value)
    (tmp_path / "new.json").write_bytes(entry(new, publisher("other.invalid/key")))
    return tmp_path


def test_everything_that_changed_is_told(releases: Path) -> None:
    given = ("--old-artifacts", releases / "old", "--new-artifacts", releases / "new")
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "new.json", *given)
    assert ran.code == 0, ran.err
    assert "nothing here is verified" in ran.err
    lines = ran.out.splitlines()
    for line in (
        "release: 1 difference",
        '  version: "1.0.0" -> "1.1.0"',
        "keys: 2 differences",
        f'  lock: "{"bb" * 32}" -> "{"cc" * 32}"',
        f'  qemu, 2 vCPUs of 0x800f12, features 0x1: "{"11" * 48}" -> "{"22" * 48}"',
        "  TCB floor Milan.snp: 0 -> 9",
        '  libc6: "2.41" -> "2.42"',
        '  openssl: "3.5, SHA-256 aaaaaaaaaaaaaaaa..." -> "3.5, SHA-256 bbbbbbbbbbbbbbbb..."',
        '  zlib: "1.3" -> no such member',
        '  zstd: no such member -> "1.5"',
        '  panic: "-1" -> "0"',
        '  debug: "(set)" -> no such member',
        '  version: "6.12.1 (build@host)" -> "6.12.2 (build@host)"',
        "guest policy: 1 difference",
        '  publishers[0]: "old.invalid+00" -> "new.invalid+01"',
        "kernel configuration: 3 differences",
        '  DEVMEM: "n" -> "y"',
        '  TSM: "m" -> no such member',
        '  IPV6: no such member -> "y"',
        "files: 3 differences",
        "  init: line 1: 'one' -> 'two'",
        "  gone: a file of 0 bytes, mode 0644 -> no such path",
        "  new: no such path -> a file of 0 bytes, mode 0644",
    ):
        assert line in lines, (line, ran.out)


def test_without_artifacts_the_entries_speak(releases: Path) -> None:
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "old.json")
    assert ran.out.splitlines() == [
        f"{heading}: no differences"
        for heading in (
            *("release", "keys", "build", "artifacts", "measurements"),
            "expected evidence",
        )
    ]


def compared(releases: Path, **changes: bytes) -> list[str]:
    """What is told between the old release and one with other artifacts of some roles."""
    other = OLD | {role.replace("_", "-"): raw for role, raw in changes.items()}
    (releases / "other.json").write_bytes(entry(document(other)))
    (releases / "other").mkdir()
    for role, raw in other.items():
        (releases / "other" / f"{role}.bin").write_bytes(raw)
    given = ("--old-artifacts", releases / "old", "--new-artifacts", releases / "other")
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "other.json", *given)
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


def test_what_is_there_twice_hides_nothing(releases: Path) -> None:
    double = {"components": [{"name": "libc6", "version": one} for one in ("2.41", "2.42")]}
    lines = compared(
        releases,
        command_line=b"quiet panic=0 panic=-1 debug",
        sbom=json.dumps(double).encode(),
    )
    assert '  panic: "-1" -> "0, then -1"' in lines
    assert '  libc6: "2.41" -> "2.41, then 2.42"' in lines


def test_other_bytes_of_one_meaning_are_a_difference(releases: Path) -> None:
    other = bytearray(OLD["kernel"])
    other[0x10] = 7
    lines = compared(releases, kernel=bytes(other), command_line=b"quiet panic=-1  debug")
    place = lines.index("kernel: 1 difference")
    assert lines[place + 1] == "  byte 16 (0x10): 0x00 of 1024 bytes -> 0x07 of 1024 bytes"
    assert lines[lines.index("command line: 1 difference") + 1].startswith("  byte 15 (0xf): ")


def test_of_many_files_the_first_are_told(releases: Path) -> None:
    lines = compared(releases, initrd=tree({f"x{number}": b"" for number in range(300)}))
    assert "files, the first 200: 200 differences" in lines


def test_what_is_not_at_hand_is_named(releases: Path) -> None:
    (releases / "new" / "sbom.bin").unlink()
    given = ("--old-artifacts", releases / "old", "--new-artifacts", releases / "new")
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "new.json", *given)
    assert ran.code == 0
    assert f"not compared, as not in {releases / 'new'}: sbom.bin" in ran.err
    assert "packages" not in ran.out


def test_an_artifact_that_is_not_the_logged_one_is_refused(releases: Path) -> None:
    (releases / "old" / "sbom.bin").write_bytes(b"{}")
    given = ("--old-artifacts", releases / "old")
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "new.json", *given)
    assert ran.code == 1
    assert ran.out == ""
    assert "sbom.bin: " + sha256(b"{}").hexdigest() in ran.err


def test_packages_and_kernels_that_say_nothing(releases: Path) -> None:
    silent = OLD | {"sbom": b"[]", "kernel": b"x", "guest-policy": b"{", "kernel-config": b"y\n"}
    (releases / "silent.json").write_bytes(entry(document(silent)))
    (releases / "silent").mkdir()
    for role, raw in silent.items():
        (releases / "silent" / f"{role}.bin").write_bytes(raw)
    given = ("--old-artifacts", releases / "old", "--new-artifacts", releases / "silent")
    ran = cvm_audit("release", "diff", releases / "old.json", releases / "silent.json", *given)
    assert '  version: "6.12.1 (build@host)" -> "(it does not say)"' in ran.out
    assert "(the packages cannot be read)" in ran.out
    assert "(it cannot be read)" in ran.out
    assert "kernel configuration, line 1: 'y' (expected CONFIG_NAME=VALUE)" in ran.out


def test_a_folder_of_fetch_is_a_release(releases: Path) -> None:
    folder = releases / "fetched"
    folder.mkdir()
    (releases / "old.json").rename(folder / "entry.json")
    ran = cvm_audit("release", "diff", folder, folder)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "release: no differences")
    (folder / "entry.json").unlink()
    ran = cvm_audit("release", "diff", folder, folder)
    assert (ran.code, "entry.json: No such file" in ran.err) == (2, True)
