"""One measured boot in QEMU, from the bytes of the artifacts to a guest that says it is ready.

Under emulation the firmware holds kernel, initrd and command line to the hash table, as it does in
a SEV guest; the secure processor beside it is simulated. Nothing that the guest says here is
believed: READY only ends the waiting.
"""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from verifier.appraisal.drive.driven import Start
from verifier.drive.artifacts import Artifacts
from verifier.drive.level import Accelerator
from verifier.drive.monitor import Monitor
from verifier.drive.processor import serving_processor
from verifier.drive.programs import found_program, said_in, started, stop_now
from verifier.drive.qemu import BootFiles, Shape, parse_qemu_version, qemu_command
from verifier.drive.workplace import Workplace, unprivileged_user, workplace
from verifier.errors import FetchError, ParseError
from verifier.tlog.strict import parse_utf8

__all__ = ["Boot", "Ended", "Machine", "Start", "booted", "read_state", "serve_processor"]

_QEMU = "qemu-system-x86_64"
_CONNECTING_SECONDS = 30.0
_TICK = 0.25
_MAX_STATE = 4096
_CONSOLE_SHOWN, _CONSOLE_LINES = 1000, 6
_LENGTH = struct.Struct("< I")
_DEAD = ("guest-panicked", "internal-error", "io-error", "shutdown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What is booted, and how. ``table`` is None for a boot without hash table.

    ``entry`` and ``proof`` are handed to the guest; ``platform`` is the folder of the simulated
    platform, None where the host has a real secure processor.
    """

    artifacts: Artifacts
    table: bytes | None
    table_gpa: int
    shape: Shape
    accelerator: Accelerator
    entry: bytes
    proof: bytes
    platform: Path | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the waiting: after ``seconds`` from the start of QEMU, and in which words."""

    start: Start
    words: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running machine. Its guest's port is forwarded to ``port`` of 127.0.0.1: ``address``.

    ``measurement`` is what the simulated processor measured, None with a real one. ``qemu`` is the
    version of QEMU, N.N.
    """

    qemu: str
    port: int
    measurement: bytes | None
    process_id: int
    since: float
    serial: Path
    _child: subprocess.Popen[bytes]
    _monitor: Monitor
    _state: socket.socket

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect."""
        return ("127.0.0.1", self.port)

    @property
    def console(self) -> Path:
        """The file of what the guest has shown its host."""
        return self.serial

    def wait(self, seconds: float, *, given_up: Event | None = None) -> Ended:
        """Wait until the guest serves or cannot, at most ``seconds`` from the start of QEMU.

        ``given_up`` ends the waiting early, for somebody who has no use for its end any more.
        """
        received, given_up = b"", given_up or Event()
        while b"\n" not in received and len(received) <= _MAX_STATE:
            left = self.since + seconds - time.monotonic()
            if left <= 0 or given_up.is_set():
                return self._unheard(received, seconds)
            if select.select([self._state], [], [], min(_TICK, left))[0]:
                part = self._state.recv(_MAX_STATE)
                if not part:
                    return self._ended(Start.ENDED, "the machine ended")
                received += part
            elif (dead := self._dead()) is not None:
                return self._ended(Start.ENDED, dead)
        return self._ended(*read_state(received))

    def stop(self) -> None:
        """End the machine before its block does, as a loss of power would."""
        stop_now(self._child)

    def _dead(self) -> str | None:
        try:
            status = self._monitor.status()
        except FetchError:
            # A busy host is late with its answer too: only the end of the process is an end.
            return None if self._child.poll() is None else "the machine ended"
        return f"QEMU says: {status}" if status in _DEAD else None

    def _unheard(self, received: bytes, seconds: float) -> Ended:
        if received:  # whoever has begun to speak was booted, and has not declined either
            words = f"the guest said {received[:200]!r}, and no more"
            return self._ended(Start.ENDED, words)
        return self._ended(Start.SILENT, f"no sign of life in {seconds:.0f} s")

    def _ended(self, start: Start, words: str) -> Ended:
        seconds = time.monotonic() - self.since
        if start is Start.ENDED:
            words += f"; last on its console: {self._last_words()}"
        return Ended(start, words, seconds)

    def _last_words(self) -> str:
        text = self.serial.read_bytes()[-_CONSOLE_SHOWN:].decode("ascii", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return repr(" / ".join(lines[-_CONSOLE_LINES:])) if lines else "nothing"


def read_state(received: bytes) -> tuple[Start, str]:
    """What the first line of a guest's state means."""
    line = received.split(b"\n", 1)[0].decode("ascii", "replace")
    if line == "READY":
        return Start.READY, line
    return Start.DECLINED, f"the guest says: {line[:200]!r}"


@contextmanager
def booted(boot: Boot) -> Iterator[Machine]:
    """Start the machine; it ends with the block, or with us, however we end.

    Raises FetchError for what is not installed or does not start, ParseError for artifacts of
    which no boot can be made.
    """
    program = found_program(_QEMU, package="qemu-system-x86")
    version = _version(program)
    with workplace(unprivileged_user()) as place, ExitStack() as stack:
        paths = place.place(boot.artifacts)
        files = BootFiles(
            firmware=paths["firmware"],
            kernel=paths["kernel"],
            initrd=paths["initrd"],
            table=None if boot.table is None else place.place_table(boot.table),
            table_gpa=boot.table_gpa,
            serial=place.writable_file("serial.log"),
            sockets=place.folder,
        )
        measurement = serve_processor(stack, boot, place, paths, place.folder / "processor")
        listeners = [stack.enter_context(place.listen(n)) for n in _listened(boot)]
        command = qemu_command(
            program,
            version=version,
            accelerator=boot.accelerator,
            shape=boot.shape,
            files=files,
            cmdline=_text(boot.artifacts.cmdline),
        )
        errors = place.folder / "qemu.errors"
        since = time.monotonic()
        child = stack.enter_context(started(command, user=place.user, errors=errors))
        connections = [stack.enter_context(_accepted(each, child, errors)) for each in listeners]
        monitor = Monitor(connections[0])
        for path in paths.values():
            path.unlink()  # QEMU has read them; nothing big is left if we are killed
        _hand_release(connections[1], boot)
        yield Machine(
            qemu=".".join(map(str, version)),
            port=monitor.forwarded_port(),
            measurement=measurement,
            process_id=child.pid,
            since=since,
            serial=files.serial,
            _child=child,
            _monitor=monitor,
            _state=connections[2],
        )


def _listened(boot: Boot) -> tuple[str, ...]:
    # Without a simulated processor its port must still have an end: one that never answers.
    names = ("monitor", "release", "state")
    return names if boot.platform is not None else (*names, "processor")


def serve_processor(
    stack: ExitStack, boot: Boot, place: Workplace, paths: dict[str, Path], socket_path: Path
) -> bytes | None:
    """Start the simulated processor, if there is one, until ``stack`` ends; its measurement."""
    if boot.platform is None:
        return None
    named = {
        "firmware": paths["firmware"],
        "kernel": paths["kernel"],
        "initrd": paths["initrd"],
        "cmdline-file": paths["command-line"],
    }
    serving = serving_processor(
        boot.platform,
        socket=socket_path,
        files=named,
        vcpus=boot.shape.vcpus,
        vcpu_type=boot.shape.vcpu_type,
    )
    measurement = stack.enter_context(serving)
    place.hand_over(socket_path)
    return measurement


def _accepted(
    listener: socket.socket, child: subprocess.Popen[bytes], errors: Path
) -> socket.socket:
    deadline = time.monotonic() + _CONNECTING_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if select.select([listener], [], [], _TICK)[0]:
            return listener.accept()[0]
    raise FetchError("QEMU", expected="a running machine", got=said_in(errors))


def _hand_release(connection: socket.socket, boot: Boot) -> None:
    # It waits in the socket until the guest opens the port.
    connection.settimeout(_CONNECTING_SECONDS)
    fields = (boot.entry, boot.proof)
    try:
        connection.sendall(b"".join(_LENGTH.pack(len(field)) + field for field in fields))
    except OSError as error:
        got = type(error).__name__
        raise FetchError("QEMU", expected="that it takes the release", got=got) from None


def _version(program: str) -> tuple[int, int]:
    try:
        done = subprocess.run(  # noqa: S603 - a program found by its path
            [program, "--version"], capture_output=True, timeout=_CONNECTING_SECONDS, check=False
        )
        return parse_qemu_version(done.stdout.decode("utf-8", "replace"))
    except ParseError as error:  # what is installed here is nobody's evidence
        raise FetchError(error.what, expected=error.expected, got=error.got) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(program, expected="its version", got=type(error).__name__) from None


def _text(cmdline: bytes) -> str:
    text = parse_utf8(cmdline, what="command line")
    if not text.isascii() or not text.isprintable():
        raise ParseError("command line", expected="printable ASCII", got="other characters")
    return text
