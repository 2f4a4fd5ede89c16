"""The store of inputs: a folder of files that are called by their SHA-256.

A file is in the store whole or not at all: it is written under another name, checked, made
durable and then renamed. So a run that was interrupted resumes with what is there, and two runs
may share a store. What is read is checked again: a store is a cache, and no one believes it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from pipeline.image.lock import Input
from verifier.errors import FetchError, VerificationError

__all__ = ["Store", "StoreError"]

_CHUNK = 1024 * 1024
_PARTIAL = ".partial-"


class StoreError(FetchError):
    """The store itself cannot be used: no other source of inputs would help."""


class Store:
    """Inputs below ``root``/sha256. Its folders are made when something is added."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "sha256"

    def path(self, item: Input) -> Path:
        """Where an input lies if it is there."""
        return self._folder / item.sha256.hex()

    def read(self, item: Input) -> bytes:
        """The bytes of an input.

        Raises FetchError if it is not there, StoreError if it cannot be read, VerificationError if
        it is not what the lock says.
        """
        try:
            with self.path(item).open("rb") as file:
                content = file.read(item.size + 1)
        except FileNotFoundError:
            hint = "run fetch, or give --bundle"
            got = f"not in the store {self.root}"
            raise FetchError(str(item), expected="the input", got=got, hint=hint) from None
        except OSError as error:
            raise _unusable(self.path(item), error) from None
        _check(item, len(content), sha256(content).digest())
        return content

    def holds(self, item: Input) -> bool:
        """Whether the input is there, whole and unchanged."""
        try:
            self.read(item)
        except (FetchError, VerificationError):
            return False
        return True

    def add(self, item: Input, chunks: Iterable[bytes]) -> None:
        """Put an input into the store, in place of a damaged one.

        Raises VerificationError if the bytes are not what the lock says, StoreError if the store
        cannot be written (``No space left on device``); what ``chunks`` raises passes. In every
        case nothing is left behind.
        """
        with self.scratch() as folder:
            partial = folder / "input"
            size, digest = 0, sha256()
            with partial.open("wb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > item.size:
                        raise VerificationError(
                            str(item), expected=f"{item.size} bytes", got="more"
                        )
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            _check(item, size, digest.digest())
            partial.replace(self.path(item))

    def add_file(self, item: Input, path: Path) -> None:
        """Put a copy of a file into the store; as ``add``."""
        with path.open("rb") as file:
            self.add(item, iter(lambda: file.read(_CHUNK), b""))

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder in the store's file system, which is gone afterwards.

        An OSError inside is taken for one of the store: StoreError.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=self.root) as name:
                yield Path(name)
        except OSError as error:
            raise _unusable(self.root, error) from None


def _check(item: Input, size: int, digest: bytes) -> None:
    if size != item.size:
        raise VerificationError(str(item), expected=f"{item.size} bytes", got=f"{size} bytes")
    if digest != item.sha256:
        expected, got = f"SHA-256 {item.sha256.hex()}", digest.hex()
        raise VerificationError(str(item), expected=expected, got=got)


def _unusable(path: Path, error: OSError) -> StoreError:
    got = error.strerror or type(error).__name__
    return StoreError(f"store {path}", expected="a folder that can be used", got=got)
