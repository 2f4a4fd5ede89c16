"""The scan of an image: a good one passes, each evil one fails the check that is meant for it."""

from __future__ import annotations

import json
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.archives import FILE, FOLDER, LINK, archive, record, tree
from tests.making import NOW, PUBLISHER, Log
from tests.ovmf_image import SECTIONS, build_ovmf
from tests.running import cvm_audit
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Status
from verifier.appraisal.image.appraise_image import SCAN_CHECKS, appraise_image
from verifier.appraisal.verdict import Outcome, Verdict

PROGRAM = FILE | 0o111


def elf(kind: int, *, interpreter: bool = False, start: int = 0) -> bytes:
    """A 64-bit ELF header with one program header."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<I52x", 3 if interpreter else 1) + b"\0binary"


BYTE_CODE = b"\xf3\x0d\r\n\1\0\0\0" + bytes(8) + b"\xe3PK\5\6"
DRIVER = elf(1) + b"\0license=GPL\0name=%s\0"
PYTHON, LIBRARY = elf(2, interpreter=True, start=1), elf(3)
GUEST_POLICY: dict[str, Any] = {
    "schema": "cvm-audit/guest-policy/v1",
    "role": "summariser",
    "logPolicy": f"log {Log(()).key}\nquorum none\n",
    "publishers": [str(PUBLISHER.key.vkey)],
    "publisherThreshold": 1,
    "listen": 8443,
}
GOOD: dict[str, Any] = {
    "dev/null": (stat.S_IFCHR | 0o666, b"", {"rdevmajor": 1, "rdevminor": 3}),
    "dev/ttyS0": (stat.S_IFCHR | 0o600, b"", {"rdevmajor": 4, "rdevminor": 64}),
    "etc/cvm/guest-policy.json": json.dumps(GUEST_POLICY).encode(),
    "init": (PROGRAM, b"#!/usr/bin/python3.13 -IS\nprint('hello')\n"),
    "lib": (LINK, b"usr/lib"),
    "tmp": (FOLDER, b""),
    "usr/bin/python3.13": (PROGRAM, PYTHON),
    "usr/lib/cvm/modules/03-virtio_net.ko": elf(1),
    "usr/lib/cvm/modules/07-sev-guest.ko": DRIVER % b"sev_guest",
    "usr/lib/libc.so.6": (PROGRAM, elf(3, interpreter=True, start=1)),
    "usr/lib/libz.so.1": (LINK, b"libz.so.1.3.1"),
    "usr/lib/libz.so.1.3.1": LIBRARY,
    "usr/lib/module.cpython-313-x86_64-linux-gnu.so": elf(3, start=1),
    "usr/lib/python3.13/__pycache__/base64.cpython-313.pyc": BYTE_CODE,
    "usr/lib/python3.13/__pycache__/base64.cpython-313.opt-2.pyc": BYTE_CODE,
    "usr/lib/python3.13/base64.py": (PROGRAM, b"#!/usr/bin/python3\n# -*- coding: UTF-8 -*-\n"),
}
COMMAND_LINE = b"console=ttyS0 quiet panic=-1 mitigations=auto,nosmt lockdown=confidentiality"
FILES = {
    "initrd.bin": tree(GOOD),
    "command-line.txt": COMMAND_LINE,
    "firmware.fd": build_ovmf(),
}


def scanned(**files: bytes | None) -> Verdict:
    """The verdict on the good image with other files; None leaves one out."""
    names = {name.replace("-", "_").split(".")[0]: name for name in FILES}
    changes = {names[name]: raw for name, raw in files.items()}
    whole = {name: raw for name, raw in (FILES | changes).items() if raw is not None}
    return appraise_image(whole, now=NOW)


def failed(verdict: Verdict) -> dict[str, str]:
    return {f.check: f.got for f in verdict.findings if f.status is Status.FAIL}


def test_a_good_image_passes_every_check() -> None:
    verdict = scanned()
    assert not failed(verdict)
    assert verdict.outcome is Outcome.VERIFIED
    assert [finding.check for finding in verdict.findings] == list(SCAN_CHECKS)
    assert set(SCAN_CHECKS) == {check for check in CHECKS if check.startswith("scan.")}


DISK = b"#!/usr/bin/python3.13 -IS\nfor line in open('/dev/vda'): put(line)\n"
PICKLED = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}."
SHADOW = b"root:*:1::::::\nme:$y$abc:1::::::\n"
COMPOSE = b"services:\n  a:\n    image: registry.invalid/a:latest\n"
IMAGE = f"image: registry.invalid/a@sha256:{'0' * 64}\n".encode()


@pytest.mark.parametrize(
    ("check", "change", "words"),
    [
        ("scan.paths", {"etc/x": (LINK, b"../../x")}, "etc/x: the link '../../x' leads out"),
        ("scan.paths", {"etc/x": (LINK, b"/proc/kcore")}, "etc/x: the link '/proc/kcore'"),
        ("scan.paths", {"etc/x": (LINK, b"../run/x")}, "leads to what is not in the image"),
        (
            "scan.paths",
            {"r": (LINK, b"/"), "etc/x": (LINK, b"/r/proc/kcore")},
            "etc/x: the link '/r/proc/kcore' leads to what is not in the image",
        ),
        (
            "scan.paths",
            {"usr/lib/up": (LINK, b"../.."), "x": (LINK, b"lib/up/./dev/mem")},
            "x: the link 'lib/up/./dev/mem' leads to what is not in the image",
        ),
        ("scan.paths", {"x": (LINK, b"/proc/../usr")}, "leads to what is not in the image"),
        ("scan.paths", {"x": (LINK, b"a/" * 256 + b"a")}, "leads through more than 256 folders"),
        ("scan.paths", {"x": (LINK, b"y"), "y": (LINK, b"x")}, "x: the link 'y' leads in a circle"),
        ("scan.permissions", {"etc/x": (FILE | 0o002, b"")}, "etc/x: everybody may write it"),
        ("scan.permissions", {"tmp": (FOLDER | 0o777, b"")}, "tmp: everybody may write it"),
        ("scan.permissions", {"etc/x": (FILE | 0o4000, b"")}, "etc/x: setuid or setgid"),
        ("scan.permissions", {"etc/x": (FILE, b"", {"uid": 1000})}, "etc/x: belongs to 1000:0"),
        (
            "scan.devices",
            {"dev/mem": (stat.S_IFCHR | 0o600, b"", {"rdevmajor": 1, "rdevminor": 1})},
            "dev/mem: character device 1:1",
        ),
        (
            "scan.devices",
            {"dev/null": (stat.S_IFCHR | 0o666, b"", {"rdevmajor": 1, "rdevminor": 1})},
            "dev/null: character device 1:1",
        ),
        (
            "scan.devices",
            {"dev/vda": (stat.S_IFBLK | 0o600, b"", {"rdevmajor": 254})},
            "dev/vda: block device 254:0",
        ),
        ("scan.programs", {"usr/lib/thing": (PROGRAM, b"x")}, "usr/lib/thing: can be executed"),
        ("scan.programs", {"usr/share/x": elf(2, start=1)}, "usr/share/x: can be executed"),
        ("scan.programs", {"x.py": (PROGRAM, PYTHON)}, "x.py: can be executed"),
        ("scan.programs", {"usr/lib/libx.so.1": elf(3, interpreter=True)}, "usr/lib/libx.so.1"),
        ("scan.programs", {"usr/share/x": elf(3, start=1)}, "usr/share/x"),
        ("scan.programs", {"usr/share/x": b"\x7fELF\x01\x01".ljust(60, b"\0")}, "usr/share/x"),
        ("scan.programs", {"init": b"#!/usr/bin/python3.13 -IS\n"}, "init: no program"),
        (
            "scan.source",
            {"usr/lib/python3.13/__pycache__/os.cpython-313.pyc": BYTE_CODE},
            "os.cpython-313.pyc: byte code, and its source is not beside it",
        ),
        ("scan.source", {"usr/lib/x.pyc": BYTE_CODE}, "usr/lib/x.pyc: byte code"),
        ("scan.source", {"usr/lib/x.pyo": b""}, "usr/lib/x.pyo: byte code"),
        (
            "scan.source",
            {"usr/lib/x.pyc": BYTE_CODE, "usr/lib/x.py": (FOLDER, b"")},
            "usr/lib/x.pyc: byte code",
        ),
        ("scan.source", {"usr/share/x.dat": BYTE_CODE}, "usr/share/x.dat: byte code"),
        ("scan.source", {"usr/lib/python313.zip": b"PK\3\4..."}, "python313.zip: an archive"),
        ("scan.source", {"usr/lib/x": elf(3) + b"PK\5\6" + bytes(18)}, "usr/lib/x: an archive"),
        ("scan.source", {"x.py": b"print('\xe9')"}, "x.py: a program that is no plain text"),
        ("scan.source", {"x.py": b"#\0"}, "x.py: a program that is no plain text"),
        (
            "scan.source",
            {"x.py": b"#!/usr/bin/python3\r# vim: set fileencoding=utf-7 :\r+AC8-dev"},
            "x.py: a program in the encoding utf-7",
        ),
        ("scan.login", {"etc/passwd": b"root::0:0::/:/init\n"}, "etc/passwd: a password that can"),
        ("scan.login", {"etc/shadow": b"me:xyMCDEFGHIJKL:1:\n\0"}, "a password that can be used"),
        ("scan.login", {"usr/sbin/sshd": b""}, "usr/sbin/sshd: a program to log in"),
        ("scan.login", {"root/.ssh/authorized_keys": b""}, "configures who gets in"),
        ("scan.login", {"etc/shadow": SHADOW}, "etc/shadow: a password that can be used"),
        ("scan.login", {"etc/app.json": b'{"is_dev": true}'}, "a development image"),
        ("scan.leftovers", {"usr/bin/sh": (PROGRAM, b"")}, "usr/bin/sh: a shell"),
        ("scan.leftovers", {"bin2/x": elf(3) + b"BusyBox v1.36"}, "holds the words 'BusyBox v1.'"),
        (
            "scan.leftovers",
            {"usr/lib/systemd/system/serial-getty@.service": b""},
            "serial-getty@.service: a shell, console",
        ),
        ("scan.environment", {"etc/ld.so.preload": b""}, "etc/ld.so.preload: brings"),
        ("scan.environment", {"usr/lib/python3.13/sitecustomize.py": b""}, "sitecustomize.py"),
        ("scan.environment", {"usr/lib/sitecustomize/__init__.py": b""}, "sitecustomize/__init__"),
        ("scan.environment", {"usr/lib/usercustomize.abi3.so": elf(3)}, "usercustomize.abi3.so"),
        ("scan.environment", {"usr/lib/x.pth": b""}, "usr/lib/x.pth: brings"),
        ("scan.environment", {"x.service": b"[S]\nEnvironmentFile=/x"}, "line 2 says"),
        ("scan.environment", {"init": (PROGRAM, b"#!/usr/bin/python3.13 -S\n")}, "not isolated"),
        ("scan.environment", {"init": (PROGRAM, b"#!/bin/sh\n")}, "not isolated"),
        ("scan.host_media", {"init": (PROGRAM, DISK)}, "init: line 2 says '/dev/vda'"),
        ("scan.host_media", {"etc/x": b"mount -t virtiofs a b"}, "says 'virtiofs'"),
        ("scan.drivers", {"usr/lib/virtio_blk.ko": b""}, "usr/lib/virtio_blk.ko: a driver"),
        ("scan.drivers", {"usr/lib/09-qemu-fw-cfg.ko.xz": b""}, "09-qemu-fw-cfg.ko.xz: a driver"),
        ("scan.drivers", {"usr/lib/virtio_net.ko.xz": b""}, "virtio_net.ko.xz: a driver that is c"),
        (
            "scan.drivers",
            {"usr/lib/virtio_net.ko": DRIVER % b"9pnet_virtio"},
            "usr/lib/virtio_net.ko: a driver that is not known to be needed, 9pnet_virtio",
        ),
        (
            "scan.drivers",
            {"usr/share/data": DRIVER % b"virtio_net"},
            "usr/share/data: a driver that is not known to be needed, virtio_net",
        ),
        ("scan.acpi", {"kernel/firmware/acpi/ssdt.aml": b""}, "ssdt.aml: an ACPI table"),
        ("scan.hooks", {"etc/init.d/x": b""}, "etc/init.d/x: is started"),
        ("scan.hooks", {"usr/lib/systemd/system/x.service": b""}, "x.service: is started"),
        ("scan.pickle", {"model.pkl": b""}, "model.pkl: a pickle by its name"),
        ("scan.pickle", {"weights": PICKLED}, "weights: a pickle by its first"),
        ("scan.pickle", {"w.zip": b"PK\x03\x04..a/data.pkl"}, "w.zip: an archive with a pickle"),
        ("scan.mutable_reference", {"etc/x.yaml": COMPOSE}, "'registry.invalid/a:latest'"),
        ("scan.mutable_reference", {"Dockerfile": b"FROM debian\n"}, "refers to 'debian'"),
        ("scan.disk_encryption", {"usr/sbin/cryptsetup": b""}, "unlocks encrypted disks"),
        ("scan.disk_encryption", {"disk": b"LUKS\xba\xbe\0\2"}, "disk: a LUKS header"),
        ("scan.guest_policy", {"etc/cvm/guest-policy.json": b"{}"}, "guest policy.schema"),
    ],
)
def test_an_evil_tree(check: str, change: dict[str, Any], words: str) -> None:
    found = failed(scanned(initrd=tree(GOOD | change)))
    assert words in found[check], found


def test_a_reference_by_digest_passes() -> None:
    assert not failed(scanned(initrd=tree(GOOD | {"etc/x.yaml": IMAGE})))


def test_passwords_that_are_none_pass() -> None:
    files = {"etc/passwd": b"root:x:0:0::/:/init\n", "etc/shadow": b"root:*:1:\nme:!$y$a:1:\n"}
    assert not failed(scanned(initrd=tree(GOOD | files)))


def test_a_sticky_folder_passes() -> None:
    assert not failed(scanned(initrd=tree(GOOD | {"tmp": (FOLDER | 0o1777, b"")})))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("publishers", [], "guest policy.publishers"),
        ("publishers", ["x"], "vkey"),
        ("publisherThreshold", 0, "publisherThreshold"),
        ("publisherThreshold", 2, "2 signatures of 1 publishers"),
        ("publishers", GUEST_POLICY["publishers"] * 2, "one of them twice"),
        ("logPolicy", "x", "policy line 1"),
        ("schema", "x", "guest policy.schema"),
    ],
)
def test_a_guest_that_asks_for_nobody(name: str, value: object, words: str) -> None:
    raw = json.dumps(GUEST_POLICY | {name: value}).encode()
    found = failed(scanned(initrd=tree(GOOD | {"etc/cvm/guest-policy.json": raw})))
    assert words in found["scan.guest_policy"]
    assert list(found) == ["scan.guest_policy"]


def test_a_guest_without_a_policy() -> None:
    without = {name: raw for name, raw in GOOD.items() if name != "etc/cvm/guest-policy.json"}
    assert failed(scanned(initrd=tree(without))) == {"scan.guest_policy": "it is missing"}


@pytest.mark.parametrize(
    "raw",
    [
        b"\x28\xb5\x2f\xfd",
        tree(GOOD) + archive(record("hidden")),
        tree({"a\nb": b""}),
        tree({"a": (LINK, b"/proc\0/../usr")}),
    ],
)
def test_an_archive_that_hides_something(raw: bytes) -> None:
    verdict = scanned(initrd=raw)
    assert list(failed(verdict)) == ["scan.archive"]
    skipped = {finding.check for finding in verdict.skipped}
    assert {"scan.programs", "scan.guest_policy"} <= skipped


@pytest.mark.parametrize(
    ("line", "check", "words"),
    [
        (COMMAND_LINE + b" init=/bin/sh", "scan.command_line", "init=/bin/sh"),
        (COMMAND_LINE + b" rdinit=/x", "scan.command_line", "rdinit=/x"),
        (COMMAND_LINE + b" earlyprintk=serial", "scan.command_line", "earlyprintk=serial"),
        (COMMAND_LINE + b" lockdown=none", "scan.command_line", "lockdown: given 2 times"),
        (COMMAND_LINE + b" sysrq-always-enabled", "scan.command_line", "sysrq-always-enabled"),
        (COMMAND_LINE + b" module.sig-enforce=n", "scan.command_line", "module.sig-enforce=n"),
        (
            COMMAND_LINE + b" randomize_kstack_offset=False",
            "scan.command_line",
            "randomize_kstack_offset=False",
        ),
        (COMMAND_LINE + b" panic=0", "scan.command_line", "panic: given 2 times"),
        (COMMAND_LINE + b" -- x", "scan.command_line", "--: hands the rest"),
        (COMMAND_LINE + b"\n", "scan.command_line", "not one line of printable ASCII"),
        (b"panic=-1 mitigations=off", "scan.mitigations", "mitigations=off; no mitigations=auto"),
        (COMMAND_LINE + b" nopti", "scan.mitigations", "nopti"),
        (COMMAND_LINE + b" spectre_v2=off", "scan.mitigations", "spectre_v2=off"),
        (b"panic=-1", "scan.mitigations", "no mitigations=auto or mitigations=auto,nosmt"),
        (b"mitigations=auto", "scan.mitigations", "no panic=-1"),
        (b"mitigations=auto panic=0", "scan.mitigations", "no panic=-1"),
    ],
)
def test_an_evil_command_line(line: bytes, check: str, words: str) -> None:
    assert words in failed(scanned(command_line=line))[check]


def test_firmware_without_a_place_for_hashes() -> None:
    without = build_ovmf(sections=SECTIONS, hash_table=None)
    assert list(failed(scanned(firmware=without))) == ["scan.firmware"]
    assert list(failed(scanned(firmware=b"x" * 4096))) == ["scan.firmware"]


@pytest.mark.parametrize("name", ["command_line", "firmware", "initrd"])
def test_a_file_that_is_missing(name: str) -> None:
    verdict = scanned(**{name: None})
    assert verdict.outcome is Outcome.FAILED
    words = "initrd: the file is missing" if name == "initrd" else "the file is missing"
    assert set(failed(verdict).values()) == {words}


def test_many_offences_are_counted() -> None:
    many = {f"x{number}.ko": b"" for number in range(9)}
    assert failed(scanned(initrd=tree(GOOD | many)))["scan.drivers"].endswith("; and 4 more")


def test_the_verb(tmp_path: Path) -> None:
    for name, raw in FILES.items():
        (tmp_path / name).write_bytes(raw)
    ran = cvm_audit("release", "scan", tmp_path)
    assert (ran.code, ran.last.startswith("VERIFIED; 20 passed")) == (0, True)
    (tmp_path / "command-line.txt").write_bytes(b"quiet")
    ran = cvm_audit("release", "scan", tmp_path, "--json")
    assert ran.code == 1
    stored = tmp_path / "verdict.json"
    stored.write_text(ran.out)
    assert cvm_audit("report", "render", stored, "--format", "jsonl").code == 0
