"""Weights of a model, before anything is made of them: by digest, and in one format only.

A pickle runs code when it is loaded, and so does whatever holds one: a PyTorch file is a zip of
pickles, a NumPy array of objects is one, a Keras file may hold a lambda. Only safetensors is read,
which is numbers behind a JSON header; whatever else is refused, and the refusal names the formats
that are known to carry code. Source: docs/spec/workload.md; the safetensors format description
(8 bytes little-endian length, JSON header, one buffer without holes).
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_json

__all__ = ["MAX_HEADER", "MAX_TENSORS", "Tensor", "Weights", "open_weights", "parse_weights"]

MAX_HEADER = 4 * 1024 * 1024
"""Most bytes of the header."""

MAX_TENSORS = 16_384
_MAX_DIMENSIONS = 8
_MAX_DIMENSION = 2**31

_LENGTH = struct.Struct("<Q")
_NAME = r"[A-Za-z0-9_.:/-]{1,256}"
_METADATA = "__metadata__"
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64"), 64),
}

_CARRIES_CODE = (
    (b"PK\x03\x04", "a zip archive, as PyTorch makes of pickles"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x93NUMPY", "a NumPy file, which may hold a pickle"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras makes"),
    (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ\x00", "a compressed file"),
)
# A pickle of protocol 0 or 1 has no magic: it ends in a full stop after printable opcodes.
_OLD_PICKLE = (b"(", b"]", b"}", b"c", b"\x80\x00", b"\x80\x01")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers of one type: ``start`` and ``end`` are bytes in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Weights:
    """A whole safetensors file as received, and where its tensors are, in the order of the file."""

    raw: bytes
    tensors: tuple[Tensor, ...]


def open_weights(raw: bytes, *, sha256: bytes) -> Weights:
    """The weights that a release names by ``sha256`` (32 bytes).

    Raises VerificationError for other bytes before they are looked at; then as ``parse_weights``.
    """
    digest = hashlib.sha256(raw).digest()
    if digest != sha256:
        raise VerificationError("model weights", expected=sha256.hex(), got=digest.hex())
    return parse_weights(raw)


def parse_weights(raw: bytes) -> Weights:
    """Read a safetensors file. Raises UnsupportedError for another format, and ParseError."""
    what = "model weights"
    # Only what is none is looked at for another: the bytes before are a length, which may be any.
    if raw[8:9] != b"{":
        raise UnsupportedError(what, expected="safetensors", got=_other_format(raw))
    (size,) = _LENGTH.unpack_from(raw)
    start = _LENGTH.size + size
    if size > MAX_HEADER or start > len(raw):
        most = min(MAX_HEADER, len(raw) - _LENGTH.size)
        raise ParseError(f"{what}: header", expected=f"at most {most} bytes", got=f"{size}")
    return Weights(raw, _parse_header(raw[_LENGTH.size : start], start, len(raw)))


def _other_format(raw: bytes) -> str:
    for magic, name in _CARRIES_CODE:
        if raw.startswith(magic):
            return name
    is_old_pickle = raw.startswith(_OLD_PICKLE) and raw.endswith(b".")
    return "what looks like a pickle" if is_old_pickle else "another format"


def _parse_header(header: bytes, start: int, end: int) -> tuple[Tensor, ...]:
    document = JsonObject(parse_json(header, what="model weights"), what="model weights")
    if document.has(_METADATA):
        document.object(_METADATA)  # words for people, which nothing here reads
    names = document.names()
    if len(names) > MAX_TENSORS:
        expected = f"at most {MAX_TENSORS} tensors"
        raise ParseError("model weights", expected=expected, got=f"{len(names)}")
    for name in names:
        if re.fullmatch(_NAME, name, re.ASCII) is None:
            raise ParseError("model weights", expected=f"names like {_NAME}", got=excerpt(name))
    tensors = sorted(
        (_tensor(document.object(name), name, start) for name in names), key=lambda t: t.start
    )
    after = start
    for tensor in tensors:
        if tensor.start != after:
            raise _hole(tensor.name, after, tensor.start)
        after = tensor.end
    if after != end:
        raise _hole("the end", after, end)
    return tuple(tensors)


def _hole(where: str, expected: int, got: int) -> ParseError:
    what = f"model weights: {where}"
    return ParseError(what, expected=f"no hole and no overlap: {expected}", got=f"{got}")


def _tensor(item: JsonObject, name: str, start: int) -> Tensor:
    dtype = item.choice("dtype", tuple(_BITS))
    shape = _integers(item, "shape", most=_MAX_DIMENSIONS, limit=_MAX_DIMENSION)
    offsets = _integers(item, "data_offsets", most=2, limit=2**53 - 1)
    item.end()
    size = _BITS[dtype] // 8
    for dimension in shape:
        size *= dimension
    if len(offsets) != 2 or offsets[1] - offsets[0] != size:
        raise item.refuse("data_offsets", expected=f"{size} bytes", got=f"{list(offsets)}")
    return Tensor(name, dtype, shape, start + offsets[0], start + offsets[1])


def _integers(item: JsonObject, name: str, *, most: int, limit: int) -> tuple[int, ...]:
    values = item.array(name, maximum=most)
    for value in values:
        if type(value) is not int or not 0 <= value <= limit:
            raise item.refuse(name, expected=f"integers from 0 to {limit}", got="another member")
    return values
