"""The launcher without QEMU: its command, its watchdogs, and that nothing outlives the driver."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests import making
from tests.ovmf_image import build_ovmf
from tests.running import ROOT
from verifier.drive import tied
from verifier.drive.artifacts import (
    FILES,
    Artifacts,
    Tamper,
    check_artifacts,
    hash_table,
    read_artifacts,
    tampered,
)
from verifier.drive.level import Accelerator, Host, accelerators
from verifier.drive.machine import Machine, Start
from verifier.drive.monitor import Monitor
from verifier.drive.programs import found_program, read_line, said_in, started
from verifier.drive.qemu import (
    BootFiles,
    Shape,
    forwarded_port,
    parse_qemu_version,
    qemu_command,
)
from verifier.drive.workplace import workplace
from verifier.errors import FetchError, ParseError, UnsupportedError, VerificationError
from verifier.release.entry import parse_entry

KERNEL = bytes(0x202) + b"HdrS" + bytes(1000)
ARTIFACTS = Artifacts(
    firmware=build_ovmf(), kernel=KERNEL, initrd=b"initrd", cmdline=b"console=ttyS0"
)
SHAPE = Shape(vcpus=1, vcpu_type="EPYC-Milan", memory=512)
FILES_OF_BOOT = BootFiles(
    firmware=Path("/w/firmware.fd"),
    kernel=Path("/w/kernel.bin"),
    initrd=Path("/w/initrd.bin"),
    table=Path("/w/hash-table.bin"),
    table_gpa=0x810C00,
    serial=Path("/w/serial.log"),
    sockets=Path("/w"),
)


def command(
    accelerator: Accelerator = Accelerator.TCG,
    version: tuple[int, int] = (7, 2),
    **changes: Any,
) -> tuple[str, ...]:
    return qemu_command(
        "/usr/bin/qemu-system-x86_64",
        version=version,
        accelerator=accelerator,
        shape=SHAPE,
        files=replace(FILES_OF_BOOT, **changes),
        cmdline="console=ttyS0 quiet",
    )


def after(words: tuple[str, ...], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(words) if name == option]


def test_the_guest_has_no_way_out_and_qemu_no_way_to_spawn() -> None:
    words = command()
    assert after(words, "-netdev") == ["user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:8443"]
    assert after(words, "-sandbox") == [
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    ]
    assert "-no-reboot" in words
    assert "-nodefaults" in words
    assert after(words, "-append") == ["console=ttyS0 quiet"]


def test_every_channel_is_a_named_port() -> None:
    ports = [each for each in after(command(), "-device") if each.startswith("virtserialport")]
    assert ports == [
        f"virtserialport,chardev={name},name=cvm-audit.{name}.0"
        for name in ("processor", "release", "state")
    ]


@pytest.mark.parametrize(
    ("version", "given"), [((7, 2), True), ((9, 2), True), ((10, 0), False), ((11, 1), False)]
)
def test_the_unpatched_kernel_is_given_to_qemu_that_needs_it(
    version: tuple[int, int], given: bool
) -> None:
    blob = "name=etc/boot/kernel,file=/w/kernel.bin"
    assert after(command(version=version), "-fw_cfg") == ([blob] if given else [])


def test_the_table_goes_where_the_firmware_says() -> None:
    loader = "loader,file=/w/hash-table.bin,addr=0x810c00,force-raw=on"
    assert loader in after(command(), "-device")
    assert not any("loader" in word for word in command(table=None))


@pytest.mark.parametrize(
    ("accelerator", "version", "cpu"),
    [
        (Accelerator.TCG, (7, 2), "EPYC-Milan,-cx16"),
        (Accelerator.TCG, (8, 0), "EPYC-Milan"),
        (Accelerator.KVM, (7, 2), "EPYC-Milan"),
    ],
)
def test_a_broken_instruction_is_not_emulated(
    accelerator: Accelerator, version: tuple[int, int], cpu: str
) -> None:
    words = command(accelerator, version)
    assert after(words, "-cpu") == [cpu]
    assert after(words, "-accel") == [
        "tcg,thread=multi" if accelerator is Accelerator.TCG else "kvm"
    ]


def test_hardware_gets_its_table_from_qemu() -> None:
    words = command(Accelerator.SNP, (10, 0))
    (guest,) = after(words, "-object")
    assert guest.startswith("sev-snp-guest,id=sev,")
    assert "policy=0x30000" in guest
    assert guest.endswith("kernel-hashes=on")
    assert after(words, "-machine") == ["q35,confidential-guest-support=sev"]
    assert not after(words, "-fw_cfg")
    assert not any("loader" in word for word in words)
    (untabled,) = after(command(Accelerator.SNP, (10, 0), table=None), "-object")
    assert untabled.endswith("kernel-hashes=off")


def test_an_old_qemu_launches_no_snp_guest() -> None:
    with pytest.raises(UnsupportedError) as caught:
        command(Accelerator.SNP, (7, 2))
    assert (caught.value.expected, caught.value.got) == ("9.1 or newer", "7.2")


def test_the_version_is_read_strictly() -> None:
    text = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright\n"
    assert parse_qemu_version(text) == (7, 2)
    for other in ("", "qemu 7.2", "QEMU emulator version x.2", "QEMU emulator version 07.2"):
        with pytest.raises(ParseError):
            parse_qemu_version(other)


USERNET = """\
Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  18       127.0.0.1 33541       10.0.2.15  8443     0     0
"""


def test_the_forwarded_port_is_read_back() -> None:
    assert forwarded_port(USERNET) == 33541
    for other in ("", USERNET.replace("127.0.0.1", "0.0.0.0"), USERNET + USERNET):  # noqa: S104 - must be refused
        with pytest.raises(ParseError) as caught:
            forwarded_port(other)
        assert caught.value.expected == "one forwarded port"


def host(folder: Path, *, flags: str, kvm: bool = True, snp: str = "N", sev: bool = True) -> Host:
    found = Host(
        cpuinfo=folder / "cpuinfo", kvm=folder / "kvm", snp=folder / "snp", sev=folder / "sev"
    )
    found.cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} nx\nmodel: svm vmx\n")
    found.snp.write_text(f"{snp}\n")
    for path, there in ((found.kvm, kvm), (found.sev, sev)):
        if there:
            path.touch()
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"flags": "sse"}, "tcg"),  # /dev/kvm opens and starts, and hangs every stock kernel
        ({"flags": "svm", "kvm": False}, "tcg"),
        ({"flags": "svm"}, "kvm tcg"),
        ({"flags": "vmx"}, "kvm tcg"),
        ({"flags": "svm", "snp": "Y"}, "snp kvm tcg"),
        ({"flags": "svm", "snp": "Y", "sev": False}, "kvm tcg"),
        ({"flags": "sse", "snp": "Y"}, "tcg"),
    ],
)
def test_acceleration_is_used_where_it_works(
    tmp_path: Path, given: dict[str, Any], expected: str
) -> None:
    assert " ".join(accelerators(host(tmp_path, **given))) == expected


def test_a_host_that_says_nothing_emulates(tmp_path: Path) -> None:
    nothing = tmp_path / "none"
    found = Host(cpuinfo=nothing, kvm=nothing, snp=nothing, sev=nothing)
    assert accelerators(found) == (Accelerator.TCG,)


# Artifacts.


def test_the_table_is_of_the_very_bytes() -> None:
    table, gpa = hash_table(ARTIFACTS)
    assert (len(table), gpa) == (176, 0x810C00)
    for content in (ARTIFACTS.kernel, ARTIFACTS.initrd, ARTIFACTS.cmdline + b"\x00"):
        assert sha256(content).digest() in table


def test_firmware_that_looks_at_no_table_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        hash_table(replace(ARTIFACTS, firmware=build_ovmf(hash_table=None)))
    assert "AmdSev" in caught.value.expected
    assert caught.value.got == "no address"


@pytest.mark.parametrize("tamper", list(Tamper))
def test_a_tamper_changes_one_thing(tamper: Tamper) -> None:
    before, after_ = ARTIFACTS.by_role(), tampered(ARTIFACTS, tamper).by_role()
    changed = [role for role in before if before[role] != after_[role]]
    assert changed == ([] if tamper is Tamper.NO_TABLE else [str(tamper)])
    for role in changed:
        assert len(after_[role]) - len(before[role]) in (0, 1)


def test_only_a_kernel_can_be_tampered_with() -> None:
    with pytest.raises(ParseError, match="bzImage"):
        tampered(replace(ARTIFACTS, kernel=b"MZ"), Tamper.KERNEL)


def test_the_launch_is_that_of_the_release() -> None:
    document = making.statement(
        artifacts=[
            {"name": name, "role": role, "size": len(content), "locations": []}
            for (role, content), name in zip(
                ARTIFACTS.by_role().items(), FILES.values(), strict=True
            )
        ]
    )
    document["subject"] = [
        {"name": name, "digest": {"sha256": sha256(content).hexdigest()}}
        for name, content in zip(FILES.values(), ARTIFACTS.by_role().values(), strict=True)
    ]
    entry = parse_entry(making.entry(document))
    check_artifacts(ARTIFACTS, entry)
    with pytest.raises(VerificationError) as caught:
        check_artifacts(tampered(ARTIFACTS, Tamper.INITRD), entry)
    assert caught.value.what == "initrd to boot"
    assert caught.value.expected == sha256(ARTIFACTS.initrd).hexdigest()
    assert caught.value.got == sha256(ARTIFACTS.initrd + b"\x00").hexdigest()


def test_a_release_that_names_no_initrd_is_not_booted() -> None:
    with pytest.raises(VerificationError) as caught:
        check_artifacts(ARTIFACTS, parse_entry(making.entry()))
    assert caught.value.got


def test_artifacts_are_read_from_their_folder(tmp_path: Path) -> None:
    for role, name in FILES.items():
        (tmp_path / name).write_bytes(ARTIFACTS.by_role()[role])
    assert read_artifacts(tmp_path) == ARTIFACTS
    (tmp_path / "command-line.txt").write_bytes(bytes(70_000))
    with pytest.raises(ParseError, match="at most 65536"):
        read_artifacts(tmp_path)
    (tmp_path / "kernel.bin").unlink()
    with pytest.raises(FetchError) as caught:
        read_artifacts(tmp_path)
    assert caught.value.expected == "the kernel"


def test_copies_are_private_and_cannot_be_written() -> None:
    with workplace("") as place:
        paths = place.place(ARTIFACTS)
        assert place.folder.stat().st_mode & 0o777 == 0o700
        for role, path in paths.items():
            assert path.stat().st_mode & 0o777 == 0o444
            assert path.read_bytes() == ARTIFACTS.by_role()[role]
        with place.listen("state"):
            assert (place.folder / "state").stat().st_mode & 0o777 == 0o600
    assert not place.folder.exists()


# The monitor.


@contextmanager
def monitored(*lines: bytes) -> Iterator[socket.socket]:
    """A QEMU that says these lines, one for each that it is told."""
    ours, theirs = socket.socketpair()

    def talk() -> None:
        with theirs:
            theirs.sendall(lines[0])
            for line in lines[1:]:
                if not theirs.recv(4096):
                    return
                theirs.sendall(line)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    with ours:
        yield ours
    thread.join(5)


GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
DONE = b'{"return": {}}\r\n'


def test_the_monitor_skips_events() -> None:
    event = b'{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}\r\n'
    told = json.dumps({"return": USERNET}).encode() + b"\r\n"
    status = b'{"return": {"status": "running", "running": true}}\r\n'
    with monitored(GREETING, DONE, event + told, status) as connection:
        monitor = Monitor(connection)
        assert monitor.forwarded_port() == 33541
        assert monitor.status() == "running"


@pytest.mark.parametrize(
    ("lines", "error", "text"),
    [
        ((b'{"hello": 1}\n',), ParseError, "a QMP greeting"),
        ((GREETING, b'{"error": {"class": "X"}}\n'), ParseError, "an answer"),
        ((GREETING, DONE, b'{"return": 5}\n'), ParseError, "text"),
        ((GREETING, DONE), FetchError, "an answer"),
        ((b"x" * 70_000,), ParseError, "at most 65536 bytes"),
        ((b"[]\n",), ParseError, "an object"),
        ((GREETING, b'{"event": "X"}\n' * 70), ParseError, "an answer"),
    ],
)
def test_a_monitor_that_says_something_else(
    lines: tuple[bytes, ...], error: type[Exception], text: str
) -> None:
    with monitored(*lines) as connection, pytest.raises(error, match=text):
        Monitor(connection).forwarded_port()


# Programs.


def is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(process_id: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(process_id)


def test_a_program_ends_with_the_block(tmp_path: Path) -> None:
    with started(("/bin/sleep", "600"), user="", errors=tmp_path / "e") as child:
        assert is_alive(child.pid)
    assert not is_alive(child.pid)


def test_a_program_does_not_outlive_a_killed_driver(tmp_path: Path) -> None:
    driver = f"""
import time
from pathlib import Path
from verifier.drive.programs import started
program = ("/bin/sh", "-c", "echo up; exec sleep 600")
with started(program, user="", errors=Path({str(tmp_path / "e")!r})) as child:
    child.stdout.readline()
    print(child.pid, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", driver], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as driving:
        assert driving.stdout is not None
        child = int(driving.stdout.readline())
        assert is_alive(child)
        driving.send_signal(signal.SIGKILL)
        assert gone_within(child, 10)


def test_a_program_whose_driver_is_gone_already_does_not_start(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    wrapped = [sys.executable, "-I", "-S", tied.__file__, "1", "", "/usr/bin/touch", str(mark)]
    done = subprocess.run(wrapped, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "the driver is gone\n"
    assert not mark.exists()


def test_what_a_program_writes_is_bounded(tmp_path: Path) -> None:
    out = tmp_path / "flood"
    script = f"/usr/bin/yes > {out} 2>/dev/null; echo still here"
    with started(("/bin/sh", "-c", script), user="", errors=tmp_path / "e") as child:
        assert read_line(child, seconds=20) == "still here"
    assert out.stat().st_size == tied.FILE_LIMIT


def test_a_program_dumps_its_memory_nowhere(tmp_path: Path) -> None:
    shell = "/usr/bin/grep '^Max core file size' /proc/self/limits"
    with started(("/bin/sh", "-c", shell), user="", errors=tmp_path / "e") as child:
        line = read_line(child, seconds=10)
    # A dump into a program pays no heed to 0.
    limit = "0" if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else "1"
    assert line is not None
    assert line.split()[4:6] == [limit, limit]


def test_a_program_gets_nothing_of_our_environment(tmp_path: Path) -> None:
    os.environ["DRIVE_TEST_SECRET"] = "x"
    try:
        with started(("/usr/bin/env",), user="", errors=tmp_path / "e") as child:
            assert child.stdout is not None
            names = {line.split(b"=")[0] for line in child.stdout.read().splitlines()}
    finally:
        del os.environ["DRIVE_TEST_SECRET"]
    assert names <= {b"LC_ALL", b"PATH", b"LC_CTYPE"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_becomes_somebody_else(tmp_path: Path) -> None:
    shell = "/usr/bin/id -u; grep -e NoNewPrivs -e ^Groups -e CapEff /proc/self/status"
    with started(("/bin/sh", "-c", shell), user="nobody", errors=tmp_path / "e") as child:
        assert child.stdout is not None
        lines = child.stdout.read().decode().split("\n")
    assert lines[0] == "65534"
    rest = {line.split(":")[0]: line.split(":")[1].strip() for line in lines[1:] if line}
    assert rest == {"Groups": "", "CapEff": "0" * 16, "NoNewPrivs": "1"}


def test_a_program_that_says_nothing(tmp_path: Path) -> None:
    errors = tmp_path / "e"
    script = "echo first >&2; echo no such machine >&2; exit 1"
    with started(("/bin/sh", "-c", script), user="", errors=errors) as child:
        assert read_line(child, seconds=10) is None
    assert said_in(errors) == "no such machine"
    with started(("/bin/sleep", "600"), user="", errors=errors) as child:
        assert read_line(child, seconds=0.1) is None
    assert said_in(errors) == "nothing on its stderr"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(FetchError) as caught:
        found_program("no-such-qemu", package="qemu-system-x86")
    assert caught.value.hint == (
        "install the Debian package qemu-system-x86: apt-get install qemu-system-x86"
    )


@contextmanager
def waiting(
    folder: Path, *lines: bytes, program: tuple[str, ...] = ("/bin/sleep", "600")
) -> Iterator[tuple[Machine, socket.socket]]:
    """A machine whose monitor says ``lines``, and the guest's end of its state."""
    ours, theirs = socket.socketpair()
    with ours, theirs, monitored(GREETING, DONE, *lines) as connection:
        monitor = Monitor(connection)
        with started(program, user="", errors=folder / "e") as child:
            serial = folder / "serial.log"
            serial.touch()
            machine = Machine(
                qemu="7.2",
                port=0,
                measurement=None,
                process_id=child.pid,
                since=time.monotonic(),
                serial=serial,
                _child=child,
                _monitor=monitor,
                _state=ours,
            )
            yield machine, theirs


def test_a_wait_that_is_given_up_ends(tmp_path: Path) -> None:
    given_up = threading.Event()
    with waiting(tmp_path) as (machine, guest):
        given_up.set()
        assert machine.wait(600, given_up=given_up).start is Start.SILENT
        guest.sendall(b"READY\n")
        assert machine.wait(600).start is Start.READY


RUNNING = b'{"return": {"status": "running"}}\r\n'


def test_a_guest_that_begins_to_speak_is_not_silent(tmp_path: Path) -> None:
    # It was let in: what must never start has failed to, however little it says.
    with waiting(tmp_path, *[RUNNING] * 20) as (machine, guest):
        guest.sendall(b"READ")
        ended = machine.wait(0.6)
    assert ended.start is Start.ENDED
    assert ended.words == "the guest said b'READ', and no more; last on its console: nothing"


def test_a_guest_that_says_nothing_is_silent(tmp_path: Path) -> None:
    with waiting(tmp_path, *[RUNNING] * 20) as (machine, _):
        ended = machine.wait(0.6)
    assert (ended.start, ended.words) == (Start.SILENT, "no sign of life in 1 s")


def test_a_monitor_that_says_nothing_is_no_end_of_a_machine_that_runs(tmp_path: Path) -> None:
    # It closes its connection; so does one that is too slow look, whose host has much to do.
    with waiting(tmp_path) as (machine, _):
        assert machine.wait(0.6).start is Start.SILENT


def test_a_machine_that_ends_is_seen(tmp_path: Path) -> None:
    with waiting(tmp_path, program=("/bin/true",)) as (machine, _):
        (tmp_path / "serial.log").write_text("Kernel panic\n\n")
        machine._child.wait()
        ended = machine.wait(600)
    assert ended.start is Start.ENDED
    assert ended.words == "the machine ended; last on its console: 'Kernel panic'"


def test_a_machine_that_is_told_to_end_by_its_kernel_is_seen(tmp_path: Path) -> None:
    panicked = b'{"return": {"status": "guest-panicked"}}\r\n'
    with waiting(tmp_path, panicked) as (machine, _):
        ended = machine.wait(600)
    assert ended.start is Start.ENDED
    assert ended.words.startswith("QEMU says: guest-panicked; last on its console: nothing")
