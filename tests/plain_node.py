"""The workload of a node over plain HTTP, without what protects it: a node is timed beside it.

python -m tests.plain_node      # prints where it listens, and serves until SIGTERM
"""

from __future__ import annotations

import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from verifier.wire import service
from verifier.wire.workload.summary import summarise

__all__ = ["main"]


class PlainServer(ThreadingHTTPServer):
    request_queue_size = 128


class PlainExchange(BaseHTTPRequestHandler):
    """Answers every POST with the summary of its body."""

    protocol_version = "HTTP/1.1"
    # An answer in two packets would wait for the acknowledgement of the first.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        answer = service.encode_summary_answer(summarise(service.parse_summary_request(raw)))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", service.JSON_MEDIA_TYPE)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """A node says nothing either."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with PlainServer(("127.0.0.1", 0), PlainExchange) as server:
        sys.stdout.write(f"listening on http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
