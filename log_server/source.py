"""Reading a published log, from a directory or from a URL. Nothing is verified here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from log_server.errors import MissingError, OversizedError
from log_server.publisher import CHECKPOINT_PATH
from verifier.errors import FetchError

__all__ = ["DirectorySource", "HttpSource", "LogSource", "open_source"]

_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)  # seconds; ``read`` is of silence
_READ_AHEAD = 64
_CONNECTIONS = 8
_CHUNK = 2**16
_HEADERS = {"Accept-Encoding": "gzip, identity"}  # C2SP tlog-tiles, "Log entries"


class LogSource(Protocol):
    """Gives the bytes at the paths of a log."""

    def fetch(self, path: str, *, limit: int) -> bytes:
        """The bytes at a path.

        Raises MissingError, OversizedError if there are more than ``limit`` bytes, FetchError if
        the source did not answer.
        """

    def partial_widths(self, path: str) -> tuple[int, ...]:
        """Widths of the partial files of a tile or bundle, where a source can list them."""

    def expect(self, paths: Iterator[tuple[str, int]]) -> None:
        """Announce paths, with their limits, in the order in which they will be fetched."""

    def close(self) -> None:
        """Release what is held."""


class DirectorySource:
    """A log in files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fetch(self, path: str, *, limit: int) -> bytes:
        """The content of a file; see ``LogSource.fetch``."""
        try:
            with (self._root / path).open("rb", buffering=0) as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingError(path, expected="a file", got="none") from None
        except OSError as error:
            got = error.strerror or "an error"
            raise FetchError(path, expected="a readable file", got=got) from error
        if len(content) > limit:
            raise _oversized(path, limit)
        return content

    def partial_widths(self, path: str) -> tuple[int, ...]:
        """Widths of the partial files of a tile or bundle."""
        try:
            names = {entry.name for entry in (self._root / f"{path}.p").iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(width for width in range(1, 256) if str(width) in names)

    def expect(self, paths: Iterator[tuple[str, int]]) -> None:
        """Nothing: a file is read when it is wanted."""

    def close(self) -> None:
        """Nothing is held."""


class HttpSource:
    """A log behind a URL. The next resources are fetched while the present one is looked at."""

    def __init__(self, url: str) -> None:
        """Nothing is asked yet. Proxies come from the environment, authorities from the system."""
        self._prefix = url.rstrip("/")
        self._pool = _connections(url)
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="fetch")
        self._ahead: deque[tuple[str, Future[bytes]]] = deque()
        self._expected: Iterator[tuple[str, int]] = iter(())

    def fetch(self, path: str, *, limit: int) -> bytes:
        """The body of an answer; see ``LogSource.fetch``. Redirects are not followed."""
        if not self._ahead or self._ahead[0][0] != path:
            return self._get(path, limit)
        answer = self._ahead.popleft()[1]
        self._look_ahead()
        return answer.result()

    def partial_widths(self, path: str) -> tuple[int, ...]:
        """None: a URL cannot be listed."""
        del path
        return ()

    def expect(self, paths: Iterator[tuple[str, int]]) -> None:
        """Start to fetch these, a few at a time."""
        self._expected = paths
        self._look_ahead()

    def close(self) -> None:
        """Drop what is under way, and the connections."""
        self._threads.shutdown(cancel_futures=True)
        self._pool.clear()

    def _look_ahead(self) -> None:
        for path, limit in islice(self._expected, _READ_AHEAD - len(self._ahead)):
            self._ahead.append((path, self._threads.submit(self._get, path, limit)))

    def _get(self, path: str, limit: int) -> bytes:
        url = f"{self._prefix}/{path}"
        try:
            # Not ``requests``, which needs three times the time of this for an answer, and so
            # would decide how fast a log can be examined.
            response = self._pool.request(
                "GET", url, headers=_HEADERS, redirect=False, retries=False, preload_content=False
            )
            try:
                if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                    raise MissingError(path, expected="200", got=str(response.status))
                if response.status != HTTPStatus.OK:
                    raise FetchError(url, expected="200", got=str(response.status))
                return _body(path, response, limit)
            finally:
                # Read to its end, it has given its connection back already; else that is closed.
                response.close()
        except urllib3.exceptions.HTTPError as error:
            got = type(error).__name__
            raise FetchError(url, expected="an answer", got=got) from error


def open_source(location: str) -> LogSource:
    """A source for a URL, for a published directory, or for the directory of a log.

    Raises FetchError if there is no such directory.
    """
    if location.startswith(("http://", "https://")):
        return HttpSource(location)
    root = Path(location)
    public = root / "public"
    if (public / CHECKPOINT_PATH).is_file():
        return DirectorySource(public)
    if not root.is_dir():
        raise FetchError(location, expected="a URL or a directory", got="neither")
    return DirectorySource(root)


def _connections(url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or proxy_bypass(parts.netloc):
        return urllib3.PoolManager(maxsize=_CONNECTIONS, timeout=_TIMEOUT)
    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS, timeout=_TIMEOUT)


def _body(path: str, response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    # Counted after decompression, while it arrives.
    content = bytearray()
    for chunk in response.stream(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise _oversized(path, limit)
    return bytes(content)


def _oversized(path: str, limit: int) -> OversizedError:
    return OversizedError(path, expected=f"at most {limit} bytes", got="more")
