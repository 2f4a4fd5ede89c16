"""The guest as PID 1: kernel interfaces, modules, network, ports; then the node, or power off.

No shell, no login, no second program. Everything here is measured: what the host may choose is
which bytes it sends over the three ports and the network, and none of them is believed.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.node import linux
from pipeline.node.channel import Channel
from pipeline.node.evidence_source import EvidenceSource, SimulatedProcessor, find_configfs_tsm
from pipeline.node.guest_policy import parse_guest_policy
from pipeline.node.node import prepare, receive_handover, refusal_line, run
from verifier.errors import AuditError, FetchError

__all__ = ["ADDRESS", "NETMASK", "PORTS", "find_interface", "find_port", "main"]

ADDRESS, NETMASK = "10.0.2.15", "255.255.255.0"
"""The guest's only address; a machine elsewhere needs an image that says otherwise."""

PORTS = {name: f"cvm-audit.{name}.0" for name in ("processor", "release", "state")}
"""Channel to the name of its virtio-serial port."""

_MODULES = Path("/usr/lib/cvm/modules")
_GUEST_POLICY = Path("/etc/cvm/guest-policy.json")
_TSM = Path("/sys/kernel/config/tsm/report")
_NO_PROGRAMS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
_MOUNTS = (
    ("proc", "/proc", "proc", _NO_PROGRAMS),
    ("sysfs", "/sys", "sysfs", _NO_PROGRAMS),
    ("devtmpfs", "/dev", "devtmpfs", linux.MS_NOSUID | linux.MS_NOEXEC),
)
_SETTINGS = (
    ("/proc/sys/kernel/modules_disabled", "1"),  # no further module until the machine is off
    ("/proc/sys/kernel/sysrq", "0"),  # the host holds the console, and could ask for memory there
    ("/proc/sys/kernel/kexec_load_disabled", "1"),
    ("/proc/sys/kernel/dmesg_restrict", "1"),
)
_OPTIONAL_SETTINGS = tuple(
    f"/proc/sys/kernel/{name}" for name in ("modules_disabled", "sysrq", "kexec_load_disabled")
)
_PATIENCE = 10.0  # seconds for a device that a driver has yet to announce
_SEND_TIMEOUT = 10.0


def main() -> None:
    """Serve, and switch the machine off when that ends, however it ends."""
    try:
        _start()
    except OSError as error:
        _say(f"the guest cannot go on: {error.strerror} ({error.filename})")
    except AuditError as error:
        _say(refusal_line(error).rstrip("\n"))
    finally:
        kind = sys.exc_info()[0]
        # The kind only: what an error says could hold what a user wrote.
        _say(f"power off{f' after {kind.__name__}' if kind else ''}")
        linux.power_off()


def _start() -> None:
    _say("starting")
    _prepare_machine()
    state = _open_port("state")

    def announce(line: str) -> None:
        state.send(line.encode("ascii"), deadline=time.monotonic() + _SEND_TIMEOUT)

    try:
        policy = parse_guest_policy(_GUEST_POLICY.read_bytes())
        source = _evidence_source()
        _say(f"evidence from {source.label}")
        handover = receive_handover(_open_port("release"))
        server = prepare(policy=policy, source=source, handover=handover)
    except AuditError as error:
        line = refusal_line(error)
        _say(line.rstrip("\n"))
        announce(line)
        return
    _say("serving")
    run(server, address=("0.0.0.0", policy.listen), announce=announce)  # noqa: S104 - the one address it has


def _prepare_machine() -> None:
    os.environ.clear()  # the kernel puts unknown words of the command line there
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    linux.refuse_dumps()
    for source, target, kind, flags in _MOUNTS:
        linux.mount(source, target, kind, flags)
    _load_modules()
    _mount_configfs()
    _write_settings()
    linux.bring_up(_awaited("a network card", find_interface), ADDRESS, NETMASK)
    linux.mount("", "/", "", linux.MS_REMOUNT | linux.MS_RDONLY)


def _load_modules() -> None:
    if not _MODULES.is_dir():
        return  # a kernel that needs none
    for path in sorted(_MODULES.iterdir()):
        try:
            linux.load_module(str(path))
        except OSError as error:
            # sev-guest, on a machine that has no such processor.
            if error.errno != errno.ENODEV:
                raise


def _mount_configfs() -> None:
    try:
        linux.mount("configfs", "/sys/kernel/config", "configfs", _NO_PROGRAMS)
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.ENOENT):  # the kernel has no configfs
            raise


def _write_settings() -> None:
    for path, value in _SETTINGS:
        try:
            Path(path).write_text(value, "ascii")
        except FileNotFoundError:
            # A kernel built without modules, SysRq or kexec lacks the switch as well as the thing.
            if path not in _OPTIONAL_SETTINGS:
                raise


def _evidence_source() -> EvidenceSource:
    real = find_configfs_tsm(_TSM)
    return real if real is not None else SimulatedProcessor(_open_port("processor"))


def find_interface(root: Path = Path("/sys/class/net")) -> str | None:
    """The network interface that has a device behind it; None if there is not exactly one."""
    names = [entry.name for entry in root.iterdir() if (entry / "device").exists()]
    return names[0] if len(names) == 1 else None


def find_port(name: str, root: Path = Path("/sys/class/virtio-ports")) -> str | None:
    """The device of the virtio-serial port called ``name``; None if there is not exactly one."""
    if not root.is_dir():
        return None
    found = [
        entry.name
        for entry in root.iterdir()
        if (entry / "name").read_text("ascii").strip() == name
    ]
    return f"/dev/{found[0]}" if len(found) == 1 else None


def _open_port(channel: str) -> Channel:
    device = _awaited(PORTS[channel], lambda: find_port(PORTS[channel]))
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    return Channel(descriptor, what=channel, ends=False)


def _awaited(what: str, look: Callable[[], str | None]) -> str:
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise FetchError(what, expected="one", got="none, or several")
        time.sleep(0.05)


def _say(line: str) -> None:
    sys.stdout.write(f"cvm: {line}\n")
    sys.stdout.flush()
