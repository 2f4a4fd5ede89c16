"""A client that is told to comes from one of its own addresses, and from no other."""

from __future__ import annotations

import socket
import threading

import pytest

from verifier.client.deadline import Deadline
from verifier.client.transport import connect_socket
from verifier.client.web import Url, ask
from verifier.errors import FetchError

SECONDS = 10.0


class Web:
    """Answers one request; ``peer`` is who asked, ``request`` what."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.peer, self.request = "", b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._listener:
            connection, (self.peer, _) = self._listener.accept()
            with connection:
                self.request = connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def end(self) -> None:
        self._thread.join(SECONDS)


@pytest.mark.parametrize(("source", "seen"), [("", "127.0.0.1"), ("127.0.0.9", "127.0.0.9")])
def test_a_request_comes_from_where_its_url_says(source: str, seen: str) -> None:
    web = Web()
    url = Url("http", "127.0.0.1", web.port, "/", source).at("/keys")
    assert url.source == source
    assert ask(url, None, limit=10, deadline=Deadline.after(SECONDS)).content == b"ok"
    web.end()
    assert web.peer == seen
    assert b"user-agent" not in web.request.lower()


def test_only_who_wants_to_look_like_another_client_names_one() -> None:
    web = Web()
    url = Url("http", "127.0.0.1", web.port, "/")
    ask(url, None, user_agent="other/1", limit=10, deadline=Deadline.after(SECONDS))
    web.end()
    assert b"\r\nUser-Agent: other/1\r\n" in web.request


def test_an_address_of_another_kind_reaches_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
        with pytest.raises(FetchError) as caught:
            connect_socket(address, deadline=Deadline.after(SECONDS), source="::1")
    assert caught.value.expected == "a connection"
