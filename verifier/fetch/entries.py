"""A whole log, from a URL or from a folder: its checkpoint, and its entries in their order.

Source: C2SP tlog-tiles. Nothing here is believed: whoever reads the entries compares their root
with the one that the log signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verifier.errors import FetchError
from verifier.fetch.http import fetch_bytes
from verifier.tlog.note import MAX_NOTE_SIZE
from verifier.tlog.tile import MAX_ENTRY, TILE_WIDTH, bundle_path, bundles_for_size, parse_bundle

__all__ = ["fetch_checkpoint", "fetch_entries"]

_CHECKPOINT = "checkpoint"
_MAX_BUNDLE = TILE_WIDTH * (MAX_ENTRY + 2)  # a u16 length and the longest entry


def fetch_checkpoint(location: str) -> bytes:
    """The bytes of the newest checkpoint. Raises FetchError.

    ``location`` is the URL of a log, the folder that it publishes, or the folder of `cvm-log` in
    which that is ``public``.
    """
    return _fetch(location, _CHECKPOINT, limit=MAX_NOTE_SIZE)


def fetch_entries(location: str, *, size: int) -> Iterator[tuple[bytes, ...]]:
    """The entries of a log of ``size`` entries, bundle after bundle. Raises FetchError, ParseError.

    ``location`` is as for ``fetch_checkpoint``. Memory holds one bundle at a time.
    """
    for bundle in bundles_for_size(size):
        path = bundle_path(bundle.index, bundle.width)
        yield parse_bundle(_fetch(location, path, limit=_MAX_BUNDLE), width=bundle.width)


def _fetch(location: str, path: str, *, limit: int) -> bytes:
    if location.startswith(("http://", "https://")):
        return fetch_bytes(f"{location.rstrip('/')}/{path}", limit=limit)
    root = Path(location)
    if (root / "public" / _CHECKPOINT).is_file():
        root /= "public"
    try:
        with (root / path).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        got = error.strerror or "an error"
        raise FetchError(str(root / path), expected="a readable file", got=got) from None
    if len(content) > limit:
        raise FetchError(str(root / path), expected=f"at most {limit} bytes", got="more")
    return content
