"""Serves a folder over HTTP on this machine, as a mirror or a place of downloads."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["serving"]


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, asked: Callable[[str], None], directory: str) -> None:
        self._asked = asked
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        self._asked(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up has what it wanted; said on stderr, it would be taken for its own.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(folder: Path, asked: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The URL of ``folder`` while the block runs; ``asked`` is told each path before its answer."""
    handler = functools.partial(_Quiet, asked=asked, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
