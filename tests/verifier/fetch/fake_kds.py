"""An in-memory KDS on this machine: right answers, and every bad one on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FakeKds:
    """``answers`` by path with query: (status, headers, body) each, the last one for ever."""

    url: str = ""
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def answer(
        self, path: str, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.answers.setdefault(path, []).append((status, headers or {}, body))


@contextmanager
def fake_kds() -> Iterator[FakeKds]:
    kds = FakeKds()

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            kds.asked.append(self.path)
            answers = kds.answers.get(self.path, [(404, {}, b"Not Found")])
            status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
            if "X-Slow" in headers:
                kds.released.wait(5)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        kds.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield kds
        finally:
            kds.released.set()
            server.shutdown()
            thread.join()
