"""HTTP/1.1 as a client speaks it over any transport: whole answers, bounded in size and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h11

from verifier.client.deadline import Deadline
from verifier.client.transport import Transport
from verifier.errors import FetchError, ParseError

__all__ = ["Answer", "HttpClient"]

_ANSWER, _CLOSED = "an answer", "it was closed"
_MAX_HEAD = 16_384  # bytes of a status line and its headers


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, whatever its status."""

    status: int
    media_type: str
    content: bytes


class HttpClient:
    """Requests over ``transport``, one after the other.

    Raises ParseError for an other end that does not speak HTTP/1.1, FetchError for one that ends
    before its answer does, and what the transport raises.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)

    @property
    def ended(self) -> bool:
        """Whether nothing more can be asked: the other end said so, or an exchange broke off."""
        return self._http.our_state is not h11.IDLE

    def exchange(
        self,
        method: str,
        target: str,
        *,
        fields: Sequence[tuple[str, str]],
        body: bytes,
        limit: int,
        deadline: Deadline,
    ) -> Answer:
        """Send one request and read its answer, of at most ``limit`` bytes (else ParseError).

        ``fields`` are all that is sent besides the length of ``body``. Nothing is sent, and
        FetchError raised, where it has ``ended``.
        """
        if self.ended:
            raise FetchError("connection", expected=_ANSWER, got=_CLOSED)
        headers = [*fields, ("Content-Length", str(len(body)))]
        request = h11.Request(method=method, target=target, headers=headers)
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        sent = b"".join(self._http.send(part) or b"" for part in parts)
        self._transport.send(sent, deadline=deadline)
        return self._answer(limit, deadline)

    def _answer(self, limit: int, deadline: Deadline) -> Answer:
        status, media_type, content, ended = 0, "", bytearray(), False
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:  # whoever was to answer is gone, or was stopped half way
                    raise FetchError("connection", expected=_ANSWER, got=_CLOSED) from None
                raise ParseError("answer", expected="HTTP/1.1", got=str(error)[:100]) from None
            if event is h11.NEED_DATA:
                part = self._transport.receive(deadline=deadline)
                ended = not part
                self._http.receive_data(part)
            elif isinstance(event, h11.Response):
                status, media_type = event.status_code, _media_type(event)
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > limit:
                    raise ParseError("answer", expected=f"at most {limit} bytes", got="more")
            elif isinstance(event, h11.EndOfMessage):
                self._next_cycle()
                return Answer(status, media_type, bytes(content))
            else:
                raise ParseError("answer", expected=_ANSWER, got=type(event).__name__)

    def _next_cycle(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()


def _media_type(head: h11.Response) -> str:
    found = [value for name, value in head.headers if name == b"content-type"]
    if len(found) > 1:
        raise ParseError("answer", expected="one Content-Type at most", got=f"{len(found)}")
    return found[0].decode("ascii", "replace") if found else ""
