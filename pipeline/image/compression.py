"""xz, undone within limits of size and memory."""

from __future__ import annotations

import lzma

from verifier.errors import ParseError

__all__ = ["decompress_xz"]

_MEMORY_MAX = 256 * 1024 * 1024  # bytes; `xz -9` needs 65 MiB


def decompress_xz(raw: bytes, *, limit: int, what: str) -> bytes:
    """The content of one xz stream, of at most ``limit`` bytes.

    Raises ParseError: not xz, cut off, more than the limit, or something after it.
    """
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY_MAX)
    try:
        content = decoder.decompress(raw, max_length=limit + 1)
    except lzma.LZMAError as error:
        raise ParseError(what, expected="xz", got=str(error)) from None
    if len(content) > limit:
        raise ParseError(what, expected=f"at most {limit} bytes", got="more")
    if not decoder.eof:
        raise ParseError(what, expected="a whole xz stream", got="one that is cut off")
    if decoder.unused_data:
        raise ParseError(what, expected="one xz stream", got="something after it")
    return content
