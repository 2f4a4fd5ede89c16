"""A chat as a text file, which a drive has summarised: ``Name: what was said``, one a line."""

from __future__ import annotations

from verifier.errors import ParseError
from verifier.tlog.strict import parse_utf8
from verifier.wire.service import Message, SummaryRequest, encode_summary_request

__all__ = ["MAX_CHAT", "parse_chat"]

MAX_CHAT = 262_144
"""Most bytes of a file."""

_WHAT = "chat"
_SENTENCES = 5  # of the summary, at most


def parse_chat(raw: bytes) -> SummaryRequest:
    """Read a chat; empty lines are passed over. Raises ParseError, which quotes no message."""
    lines = parse_utf8(raw, what=_WHAT).split("\n")
    messages = tuple(_message(line, number) for number, line in enumerate(lines, 1) if line)
    request = SummaryRequest(messages, _SENTENCES)
    try:
        encode_summary_request(request)
    except ValueError as error:
        raise ParseError(_WHAT, expected="what a CVM summarises", got=str(error)) from None
    return request


def _message(line: str, number: int) -> Message:
    sender, colon, text = line.partition(": ")
    if not (sender and colon and text):
        got = "another line"
        raise ParseError(f"{_WHAT}, line {number}", expected="Name: what was said", got=got)
    return Message(sender, text)
