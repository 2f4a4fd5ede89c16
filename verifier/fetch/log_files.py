"""The files of a log, from below a URL or from a folder: bytes, whatever they are.

Source: C2SP tlog-tiles. Nothing here is believed. What comes from a URL can be kept in a folder,
which is then a copy of the log as far as it was read, and is read itself the next time.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from verifier.errors import FetchError
from verifier.fetch.artifacts import is_url
from verifier.fetch.http import fetch_bytes
from verifier.tlog.note import MAX_NOTE_SIZE

__all__ = ["LogFiles"]

_CHECKPOINT = "checkpoint"


class LogFiles:
    """Files of the log at ``location``.

    That is the URL of a log, the folder that it publishes, or the folder of `cvm-log` in which that
    is ``public``. ``copy`` is a folder for what comes from a URL, None to keep nothing.
    """

    def __init__(self, location: str, *, copy: Path | None = None) -> None:
        self.location = location
        self.copy = copy if is_url(location) else None

    def fetch_checkpoint(self) -> bytes:
        """The bytes of the newest checkpoint: always those of the log itself. Raises FetchError."""
        raw = self._fetch(_CHECKPOINT, limit=MAX_NOTE_SIZE)
        self._keep(_CHECKPOINT, raw)
        return raw

    def fetch_file(self, path: str, *, limit: int) -> bytes:
        """A tile or an entry bundle, which never changes. Raises FetchError."""
        kept = None if self.copy is None else self.copy / path
        if kept is not None and kept.is_file():
            return _read(kept, limit=limit)
        raw = self._fetch(path, limit=limit)
        self._keep(path, raw)
        return raw

    def _fetch(self, path: str, *, limit: int) -> bytes:
        if is_url(self.location):
            return fetch_bytes(f"{self.location.rstrip('/')}/{path}", limit=limit)
        root = Path(self.location)
        if (root / "public" / _CHECKPOINT).is_file():
            root /= "public"
        return _read(root / path, limit=limit)

    def _keep(self, path: str, raw: bytes) -> None:
        if self.copy is None:
            return
        target = self.copy / path
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(raw)
            partial.replace(target)  # whole, or not at all
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            got = error.strerror or type(error).__name__
            raise FetchError(str(target), expected="a folder to write to", got=got) from None


def _read(path: Path, *, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        got = error.strerror or "an error"
        raise FetchError(str(path), expected="a readable file", got=got) from None
    if len(content) > limit:
        raise FetchError(str(path), expected=f"at most {limit} bytes", got="more")
    return content
