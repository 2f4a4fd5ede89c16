"""Weights are read from one format that carries no code; whatever can carry code is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import struct
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.wire.workload.weights import (
    MAX_HEADER,
    MAX_TENSORS,
    Tensor,
    open_weights,
    parse_weights,
)

HEADER: dict[str, Any] = {
    "__metadata__": {"made by": "a test"},
    "b": {"dtype": "U8", "shape": [3], "data_offsets": [16, 19]},
    "a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
}


def written(header: Any = None, body: bytes = bytes(19)) -> bytes:
    raw = json.dumps(HEADER if header is None else header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def changed(name: str = "b", **members: Any) -> bytes:
    return written(HEADER | {name: HEADER.get(name, HEADER["b"]) | members})


def test_safetensors_are_read_in_the_order_of_the_file() -> None:
    raw = written()
    start = len(raw) - 19
    weights = parse_weights(raw)
    assert weights.raw == raw
    assert weights.tensors == (
        Tensor("a.weight", "F32", (2, 2), start, start + 16),
        Tensor("b", "U8", (3,), start + 16, start + 19),
    )
    assert open_weights(raw, sha256=hashlib.sha256(raw).digest()) == weights
    assert parse_weights(written({}, b"")).tensors == ()


@pytest.mark.parametrize("size", [640, 896, 1152, 1408, 35_615])
def test_a_length_that_looks_like_the_beginning_of_another_format(size: int) -> None:
    """As 640, whose bytes 80 02 begin a pickle too."""
    header = json.dumps(HEADER).encode().ljust(size)
    raw = struct.pack("<Q", size) + header + bytes(19)
    assert [tensor.name for tensor in parse_weights(raw).tensors] == ["a.weight", "b"]


def test_other_bytes_than_the_release_names_are_not_looked_at() -> None:
    raw = pickle.dumps([1])
    expected, got = bytes(32).hex(), hashlib.sha256(raw).hexdigest()
    with rejects(VerificationError, "model weights", expected=expected, got=got):
        open_weights(raw, sha256=bytes(32))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": [1.0]}))
    return file.getvalue()


def empty_zip() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


class Trap:
    """Would run code when its pickle is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("loaded",)


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        *((pickle.dumps(Trap(), protocol=number), "a pickle") for number in range(2, 6)),
        *((pickle.dumps(Trap(), protocol=number), "looks like a pickle") for number in (0, 1)),
        (pickle.dumps([], protocol=1), "looks like a pickle"),
        (pickle.dumps({}, protocol=1), "looks like a pickle"),
        (zipped(), "a zip archive, as PyTorch makes of pickles"),
        (empty_zip(), "a zip archive"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        (gzip.compress(pickle.dumps([])), "a compressed file"),
        (b"BZh9", "a compressed file"),
        (b"\xfd7zXZ\x00", "a compressed file"),
        (b"7z\xbc\xaf\x27\x1c", "a compressed file"),
        (b"GGUF" + bytes(100), "another format"),
        (b"", "another format"),
        (b"\x00" * 8, "another format"),
    ],
)
def test_other_formats_are_refused(raw: bytes, got: str, capfd: pytest.CaptureFixture[str]) -> None:
    with rejects(UnsupportedError, "model weights", expected="safetensors", got=got):
        parse_weights(raw)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raw", "what", "expected", "got"),
    [
        (struct.pack("<Q", 9) + b"{}", "model weights: header", "at most 2 bytes", "^9$"),
        (
            struct.pack("<Q", MAX_HEADER + 1) + b"{" + bytes(MAX_HEADER + 8),
            "model weights: header",
            f"at most {MAX_HEADER} bytes",
            f"^{MAX_HEADER + 1}$",
        ),
        (struct.pack("<Q", 2) + b"{]", "model weights", "JSON", "line 1"),
        (written({"a": []}), "model weights.a", "an object", "an array"),
        (written({"a b": HEADER["b"]}), "model weights", "names like", "a b"),
        (
            written(HEADER | {"__metadata__": 1}),
            "model weights.__metadata__",
            "an object",
            "an int",
        ),
        (changed(dtype="PICKLE"), "model weights.b.dtype", "BOOL or U8", "PICKLE"),
        (changed(shape=[-3]), "model weights.b.shape", "integers from 0", "another member"),
        (changed(shape=["3"]), "model weights.b.shape", "integers from 0", "another member"),
        (changed(shape=[1] * 9), "model weights.b.shape", "0 to 8 members", "^9$"),
        (changed(shape=[4]), "model weights.b.data_offsets", "4 bytes", "16, 19"),
        (changed(data_offsets=[16]), "model weights.b.data_offsets", "3 bytes", "16"),
        (changed(data_offsets=[15, 18]), "model weights: b", "no hole and no overlap", "."),
        (changed(data_offsets=[17, 20]), "model weights: b", "no hole and no overlap", "."),
        (changed(code="x"), "model weights.b", "no unknown member", "code"),
        (written(body=bytes(20)), "model weights: the end", "no hole and no overlap", "."),
        (written(body=bytes(18)), "model weights: the end", "no hole and no overlap", "."),
        (
            written({f"t{n}": 1 for n in range(MAX_TENSORS + 1)}),
            "model weights",
            f"at most {MAX_TENSORS} tensors",
            f"^{MAX_TENSORS + 1}$",
        ),
    ],
)
def test_malformed_weights_are_refused(raw: bytes, what: str, expected: str, got: str) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_weights(raw)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_any_change_is_read_or_refused(place: int, change: bytes) -> None:
    raw = bytearray(written())
    raw[place : place + len(change)] = change
    try:
        tensors = parse_weights(bytes(raw)).tensors
    except AuditError:
        return
    assert all(tensor.start <= tensor.end <= len(raw) for tensor in tensors)
