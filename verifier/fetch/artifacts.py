"""Released files, from a folder or from below a URL: bytes, whatever they are. Verifies nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from verifier.errors import FetchError
from verifier.fetch.http import fetch_start

__all__ = ["artifact_address", "fetch_artifact", "is_url"]

_SCHEMES = ("http://", "https://")


def is_url(place: str) -> bool:
    """Whether ``place`` is a URL that can be fetched, and not the path of a folder or file."""
    return place.startswith(_SCHEMES)


def artifact_address(place: str, name: str) -> str:
    """Where ``place``, a folder or the URL of one, has the file ``name`` (relative, with ``/``)."""
    return f"{place.rstrip('/')}/{quote(name)}" if is_url(place) else str(Path(place) / name)


def fetch_artifact(address: str, *, limit: int) -> bytes:
    """The first ``limit`` bytes of a file or a URL. No redirect is followed. Raises FetchError."""
    if is_url(address):
        return fetch_start(address, limit=limit)
    try:
        with Path(address).open("rb") as file:
            return file.read(limit)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(address, expected="a file that can be read", got=got) from None
