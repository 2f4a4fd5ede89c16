"""HTTP/1.1 out of the recording of a connection, with the very bytes of each head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.drive.tap import Direction, Recording
from verifier.errors import FetchError, ParseError
from verifier.tlog.strict import parse_decimal

__all__ = ["MAX_HEAD", "Exchange", "Message", "read_exchanges", "read_messages"]

MAX_HEAD = 16_384
"""Most bytes of a head."""

_END = b"\r\n\r\n"
_LENGTH = b"content-length"


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer: ``head`` with its blank line as it was sent, and its body."""

    head: bytes
    body: bytes

    @property
    def lines(self) -> tuple[str, ...]:
        """The first line and the fields as they were sent, a character for each byte."""
        return tuple(self.head.removesuffix(_END).decode("latin-1").split("\r\n"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    request: Message
    answer: Message


def read_exchanges(recordings: Sequence[Recording], *, what: str) -> tuple[Exchange, ...]:
    """All exchanges of ``recordings``, in their order; ``what`` names the hop in errors.

    Raises ParseError for what is no HTTP/1.1 with plain lengths, FetchError for an exchange that
    was cut.
    """
    exchanges: list[Exchange] = []
    for recording in recordings:
        requests = read_messages(recording.content(Direction.THERE), what=what)
        answers = read_messages(recording.content(Direction.BACK), what=what)
        if len(requests) != len(answers):
            got = f"{len(requests)} requests, {len(answers)} answers"
            raise FetchError(f"recording of {what}", expected="an answer to each", got=got)
        exchanges += (Exchange(*pair) for pair in zip(requests, answers, strict=True))
    return tuple(exchanges)


def read_messages(raw: bytes, *, what: str) -> tuple[Message, ...]:
    """The messages of one direction of a connection. Raises as ``read_exchanges``."""
    messages: list[Message] = []
    while raw:
        end = raw.find(_END, 0, MAX_HEAD)
        if end < 0:
            got = f"{len(raw)} bytes without an end of the head"
            raise FetchError(f"recording of {what}", expected="whole messages", got=got)
        start = end + len(_END)
        size = _length(raw[:end], what)
        if len(raw) < start + size:
            got = f"{len(raw) - start} of {size} bytes of a body"
            raise FetchError(f"recording of {what}", expected="whole messages", got=got)
        messages.append(Message(raw[:start], raw[start : start + size]))
        raw = raw[start + size :]
    return tuple(messages)


def _length(head: bytes, what: str) -> int:
    fields = [line.partition(b":")[::2] for line in head.split(b"\r\n")[1:]]
    named = [(name.lower(), value.strip()) for name, value in fields]
    if any(name == b"transfer-encoding" for name, _ in named):
        expected, got = "a Content-Length", "Transfer-Encoding"
        raise ParseError(f"message on {what}", expected=expected, got=got)
    lengths = [value.decode("latin-1") for name, value in named if name == _LENGTH]
    if len(lengths) > 1:
        expected, got = "one Content-Length", f"{len(lengths)}"
        raise ParseError(f"message on {what}", expected=expected, got=got)
    return parse_decimal(lengths[0], what=f"Content-Length on {what}") if lengths else 0
