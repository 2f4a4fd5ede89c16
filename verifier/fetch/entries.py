"""The entries of a whole log in their order.

Source: C2SP tlog-tiles. Nothing here is believed: whoever reads the entries compares their root
with the one that the log signed.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier.fetch.log_files import LogFiles
from verifier.tlog.tile import MAX_ENTRY, TILE_WIDTH, bundle_path, bundles_for_size, parse_bundle

__all__ = ["fetch_entries"]

_MAX_BUNDLE = TILE_WIDTH * (MAX_ENTRY + 2)  # a u16 length and the longest entry


def fetch_entries(log: LogFiles, *, size: int) -> Iterator[tuple[bytes, ...]]:
    """The entries of a log of ``size`` entries, bundle after bundle. Raises FetchError, ParseError.

    Memory holds one bundle at a time.
    """
    for bundle in bundles_for_size(size):
        path = bundle_path(bundle.index, bundle.width)
        yield parse_bundle(log.fetch_file(path, limit=_MAX_BUNDLE), width=bundle.width)
