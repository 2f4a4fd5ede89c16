"""A chat as a file: strict, and never quoted in an error."""

from __future__ import annotations

import pytest

from tests.verifier.drive.deployed import Liar
from verifier.drive.challenge import pose_chat
from verifier.drive.chat_file import parse_chat
from verifier.errors import ParseError, VerificationError
from verifier.wire.service import Message
from verifier.wire.workload.summary import summarise

CHAT = b"Ana: We meet at noon: bring cake.\n\nBo: I bring the cake, and the plates.\n"


def test_a_chat_is_read_line_by_line() -> None:
    chat = parse_chat(CHAT)
    assert chat.messages == (
        Message("Ana", "We meet at noon: bring cake."),
        Message("Bo", "I bring the cake, and the plates."),
    )
    assert chat.sentences == 5


@pytest.mark.parametrize(
    ("raw", "what", "expected", "got"),
    [
        (b"Ana: yes\nsecret words\n", "chat, line 2", "Name: what was said", "another line"),
        (b": nobody\n", "chat, line 1", "Name: what was said", "another line"),
        (b"Ana: \n", "chat, line 1", "Name: what was said", "another line"),
        (b"\xff", "chat", "UTF-8", "byte 0 is not"),
        (b"", "chat", "what a CVM summarises", "messages"),
        (b"A" * 65 + b": hi\n", "chat", "what a CVM summarises", "0 to 64"),
        (b"Ana: hi\n" * 513, "chat", "what a CVM summarises", "513"),
    ],
)
def test_what_is_no_chat_is_refused(raw: bytes, what: str, expected: str, got: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_chat(raw)
    assert (caught.value.what, caught.value.expected) == (what, expected)
    assert got in caught.value.got
    assert "secret" not in str(caught.value)


def test_its_summary_is_compared_and_told() -> None:
    chat = parse_chat(CHAT)
    told = pose_chat(Liar(""), chat)
    assert told.startswith("; as predicted, 2 messages in ")
    assert summarise(chat)[0] in told
    assert pose_chat(Liar(""), None) == ""
    with pytest.raises(VerificationError, match="summary of the chat"):
        pose_chat(Liar("summaries"), chat)
