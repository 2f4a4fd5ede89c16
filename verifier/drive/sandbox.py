"""The unpacked image as sandboxed processes of this host: no firmware and no measured boot.

What runs is the code of the image, and what signs is the simulated processor, which measures the
same files. That they belong together is this program's word alone, so the level says ``process``.
"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from verifier.appraisal.drive.driven import Start
from verifier.drive import bridge
from verifier.drive.machine import Boot, Ended, read_state, serve_processor
from verifier.drive.programs import found_program, said_in, started, stop_now
from verifier.drive.workplace import unprivileged_user, workplace
from verifier.errors import FetchError, ParseError
from verifier.release.newc import CpioEntry, parse_newc
from verifier.tlog.strict import excerpt

__all__ = ["SandboxedGuest", "sandboxed", "unpack"]

_INSIDE = "/run/cvm"
_PYTHON = "/usr/bin/python3.13"
_TICK = 0.02
_MAX_STATE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxedGuest:
    """A running guest; ``address`` is a Unix socket. ``measurement`` is of the files."""

    address: Path
    measurement: bytes | None
    since: float
    _state: BinaryIO
    _errors: Path
    _child: subprocess.Popen[bytes]

    @property
    def console(self) -> Path:
        """The file of what the guest has shown its host."""
        return self._errors

    def wait(self, seconds: float, *, given_up: Event | None = None) -> Ended:
        """Wait until the guest serves or cannot, at most ``seconds`` from its start.

        ``given_up`` ends the waiting early, for somebody who has no use for its end any more.
        """
        given_up = given_up or Event()
        while time.monotonic() - self.since < seconds and not given_up.is_set():
            # By the file that was opened before the guest ran: a name could lead anywhere by now.
            state = os.pread(self._state.fileno(), _MAX_STATE, 0)
            lines = [line for line in state.split(b"\n")[:-1] if not line.startswith(b"LISTENING ")]
            if lines:
                return self._ended(*read_state(lines[0] + b"\n"))
            if self._child.poll() is not None:
                return self._ended(Start.ENDED, f"the sandbox ended: {said_in(self._errors)}")
            time.sleep(_TICK)
        return self._ended(Start.SILENT, f"no sign of life in {seconds:.0f} s")

    def stop(self) -> None:
        """End the guest before its block does, with everything in the sandbox."""
        stop_now(self._child)

    def _ended(self, start: Start, words: str) -> Ended:
        return Ended(start, words, time.monotonic() - self.since)


@contextmanager
def sandboxed(boot: Boot) -> Iterator[SandboxedGuest]:
    """Run the image of ``boot`` in a sandbox, which ends with the block, or with us.

    Raises FetchError where bubblewrap is missing or does not work, or there is no room for the
    image; ParseError for an initrd that cannot be unpacked.
    """
    program = found_program("bwrap", package="bubblewrap")
    with workplace(unprivileged_user()) as place, ExitStack() as stack:
        paths = place.place(boot.artifacts)
        root, run = place.folder / "root", place.folder / "run"
        unpack(boot.artifacts.initrd, root)
        run.mkdir(mode=0o700)
        state = stack.enter_context(_furnish(run, boot).open("rb"))
        measurement = serve_processor(stack, boot, place, paths, run / "processor")
        place.hand_over_tree(run)
        errors = place.folder / "guest.errors"
        since = time.monotonic()
        command = _command(program, root, run)
        child = stack.enter_context(started(command, user=place.user, errors=errors))
        yield SandboxedGuest(
            address=run / "door",
            measurement=measurement,
            since=since,
            _state=state,
            _errors=errors,
            _child=child,
        )


def unpack(initrd: bytes, root: Path) -> None:
    """Write an initrd's files below ``root``, without owners and device nodes.

    The reader of the archive has refused names outside of the tree, and names below a link. Raises
    ParseError, also for a name or link that no file system takes, and FetchError for no room.
    """
    root.mkdir(mode=0o755)
    for entry in parse_newc(initrd):
        try:
            _write(entry, root / entry.name)
        except OSError as error:
            too_long = error.errno == errno.ENAMETOOLONG  # which is the image's fault
            got = error.strerror or type(error).__name__
            raise (ParseError if too_long else FetchError)(
                f"initrd, {excerpt(entry.name)}", expected="what can be unpacked", got=got
            ) from None


def _write(entry: CpioEntry, path: Path) -> None:
    if entry.is_device:
        return  # the sandbox has its own
    if entry.is_link:
        path.symlink_to(entry.content.decode("utf-8", "surrogateescape"))
    elif entry.is_file:
        path.write_bytes(entry.content)
        path.chmod(0o555 if entry.permissions & 0o111 else 0o444)
    else:
        path.mkdir()
        path.chmod(0o755)


def _furnish(run: Path, boot: Boot) -> Path:
    (run / "entry.json").write_bytes(boot.entry)
    (run / "entry.tlog-proof").write_bytes(boot.proof)
    (run / "bridge.py").write_bytes(Path(bridge.__file__).read_bytes())
    state = run / "state"
    state.touch()
    return state


def _command(program: str, root: Path, run: Path) -> tuple[str, ...]:
    options = {
        "--processor-socket": f"{_INSIDE}/processor",
        "--entry": f"{_INSIDE}/entry.json",
        "--proof": f"{_INSIDE}/entry.tlog-proof",
        "--guest-policy": "/etc/cvm/guest-policy.json",
        "--listen": "127.0.0.1:8443",
        "--state-file": f"{_INSIDE}/state",
    }
    return (
        program,
        *("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *("--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc"),
        *("--tmpfs", "/tmp", "--tmpfs", "/run"),  # noqa: S108 - the sandbox's own
        *("--bind", str(run), _INSIDE),
        *("--", _PYTHON, "-I", "-S", f"{_INSIDE}/bridge.py", f"{_INSIDE}/door"),
        *(word for pair in options.items() for word in pair),
    )
