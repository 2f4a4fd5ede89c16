"""The private folder of one boot: copies that nobody else can change, and sockets."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verifier.drive.artifacts import FILES, Artifacts
from verifier.drive.leftovers import PREFIX, claimed, sweep
from verifier.errors import FetchError

__all__ = ["Workplace", "unprivileged_user", "workplace"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """``folder`` is ours alone; ``user`` (empty: we ourselves) may enter it and change nothing."""

    folder: Path
    user: str

    def place(self, artifacts: Artifacts) -> dict[str, Path]:
        """Copy the artifacts, read the copies back, and give their paths by role."""
        paths = {role: self.folder / name for role, name in FILES.items()}
        for role, content in artifacts.by_role().items():
            self._write(paths[role], content)
            if paths[role].read_bytes() != content:
                expected, got = "the bytes that were written", "others"
                raise FetchError(str(paths[role]), expected=expected, got=got)
        return paths

    def place_table(self, table: bytes) -> Path:
        """Write a hash table."""
        path = self.folder / "hash-table.bin"
        self._write(path, table)
        return path

    def writable_file(self, name: str) -> Path:
        """An empty file that the user of the boot may write."""
        path = self.folder / name
        path.touch(mode=0o600, exist_ok=False)
        self.hand_over(path)
        return path

    def listen(self, name: str) -> socket.socket:
        """A listening socket that the user of the boot may connect to."""
        listener, path = socket.socket(socket.AF_UNIX), self.folder / name
        try:
            listener.bind(str(path))
        except OSError as error:
            listener.close()
            got = str(error)
            raise FetchError(str(path), expected="a socket's path", got=got) from None
        self.hand_over(path)
        listener.listen(1)
        return listener

    def hand_over(self, path: Path) -> None:
        """Make the user of the boot the owner of a file or socket, and nobody else's."""
        path.chmod(0o600)
        if self.user:
            os.chown(path, pwd.getpwnam(self.user).pw_uid, -1)

    def hand_over_tree(self, folder: Path) -> None:
        """The same for a folder and what lies in it."""
        if self.user:
            owner = pwd.getpwnam(self.user).pw_uid
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner, -1)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.write_bytes(content)
            path.chmod(0o444)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise FetchError(str(path), expected="room for a copy", got=got) from None


def unprivileged_user() -> str:
    """Whom to run a guest as: nobody where we are root, else ourselves (empty)."""
    return "nobody" if os.geteuid() == 0 else ""


@contextmanager
def workplace(user: str) -> Iterator[Workplace]:
    """A new private folder, removed after the block, or by the next drive if we are killed."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, claimed(Path(name)):
        folder = Path(name)
        if user:
            # Others of that user's processes can enter too, and find nothing that they can change.
            os.chown(folder, -1, pwd.getpwnam(user).pw_gid)
            folder.chmod(0o750)
        yield Workplace(folder, user)
