"""One document, made once of files, the same bytes for everybody.

The role understands nothing of what is in it: what keys are worth is for the client to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from pipeline.role.exchange import Route
from pipeline.role.problem import Answer
from verifier.errors import FetchError
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.wire.key_configuration import (
    KEYS_MEDIA_TYPE,
    KEYS_PATH,
    MAX_ENTRY,
    LoggedConfiguration,
    encode_key_document,
)

__all__ = ["ENTRY_FILE", "PROOF_FILE", "key_route"]

ENTRY_FILE, PROOF_FILE = "entry.json", "entry.tlog-proof"
"""What ``cvm-audit release publish`` writes into the folder of an entry."""


def key_route(folders: Sequence[Path]) -> Route:
    """The only route: a document of the entry and the proof in each folder, as they are now.

    Raises FetchError if there is none to give out.
    """
    configurations = tuple(
        LoggedConfiguration(
            _read(folder / ENTRY_FILE, MAX_ENTRY), _read(folder / PROOF_FILE, MAX_PROOF_SIZE)
        )
        for folder in folders
    )
    try:
        document = encode_key_document(configurations)
    except ValueError as error:
        raise FetchError("key document", expected="configurations", got=str(error)) from None
    answer = Answer(HTTPStatus.OK, KEYS_MEDIA_TYPE, document)
    return Route(method="GET", path=KEYS_PATH, media_type="", limit=0, answer=lambda _: answer)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        got = error.strerror or "an error"
        raise FetchError(str(path), expected="a file", got=got) from error
    if not 0 < len(content) <= most:
        raise FetchError(str(path), expected=f"1 to {most} bytes", got=f"{len(content)}")
    return content
