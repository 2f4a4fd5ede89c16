from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
import requests

from log_server.errors import EntrySizeError
from log_server.intake import MAX_BATCH_ENTRIES
from log_server.log_folder import OpenLog
from log_server.writing import MAX_BATCH_BYTES, parse_batch
from tests.log_server.conftest import Serve
from verifier.errors import ParseError
from verifier.tlog.checkpoint import open_checkpoint


def _framed(*entries: bytes) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


@pytest.fixture
def url(open_test_log: OpenLog, serving: Serve) -> Iterator[str]:
    with serving(open_test_log) as address:
        yield address


def test_a_batch_is_answered_like_its_entries(url: str, open_test_log: OpenLog) -> None:
    assert requests.post(f"{url}/add", data=b"two", timeout=10).text == "0"
    body = _framed(b"one", b"two", bytes(65_535), b"one", b"\x00")
    response = requests.post(f"{url}/v1/batch", data=body, timeout=10)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["indices"] == [1, 0, 2, 1, 3]
    published = requests.get(f"{url}/checkpoint", timeout=10).content
    assert answer["checkpoint"].encode() == published
    assert open_checkpoint(published, keys=open_test_log.keys).tree.size == 4


def test_the_largest_batch(url: str) -> None:
    entries = [b"%d" % number for number in range(MAX_BATCH_ENTRIES)]
    response = requests.post(f"{url}/v1/batch", data=_framed(*entries), timeout=30)
    assert response.json()["indices"] == list(range(MAX_BATCH_ENTRIES))
    more = requests.post(f"{url}/v1/batch", data=_framed(*entries, b"x"), timeout=30)
    assert (more.status_code, more.json()["field"]) == (413, "batch")
    long = requests.post(f"{url}/v1/batch", data=bytes(MAX_BATCH_BYTES + 1), timeout=30)
    assert (long.status_code, long.json()["field"]) == (413, "body")
    assert long.json()["expected"] == f"1 to {MAX_BATCH_BYTES} bytes"


@pytest.mark.parametrize(
    ("body", "field", "expected", "got"),
    [
        (b"", "batch", "1 to 4096 entries", "none"),
        (b"\x00", "entry 0 of the batch", "a whole entry", "1 bytes, and the entry ends at 2"),
        (
            _framed(b"one") + b"\x00\x09abc",
            "entry 1 of the batch",
            "a whole entry",
            "10 bytes, and the entry ends at 16",
        ),
        (_framed(b"one", b""), "entry 1 of the batch", "1 to 65535 bytes", "0 bytes"),
    ],
)
def test_a_malformed_batch(
    url: str, open_test_log: OpenLog, *, body: bytes, field: str, expected: str, got: str
) -> None:
    response = requests.post(f"{url}/v1/batch", data=body, timeout=10)
    assert response.status_code == 400
    problem = response.json()
    assert (problem["field"], problem["expected"], problem["got"]) == (field, expected, got)
    # All or nothing.
    assert open_test_log.sequencer.head.tree.size == 0


def test_the_interpreter_is_left_as_it_was(open_test_log: OpenLog, serving: Serve) -> None:
    before = (gc.get_threshold(), sys.getswitchinterval())
    with serving(open_test_log):
        assert gc.get_threshold()[0] > before[0][0]
        assert sys.getswitchinterval() < before[1]
    assert (gc.get_threshold(), sys.getswitchinterval()) == before


def test_parsing_a_batch() -> None:
    assert parse_batch(_framed(b"a", b"bc")) == (b"a", b"bc")
    with pytest.raises(ParseError) as caught:
        parse_batch(_framed(b"a")[:-1])
    assert caught.value.what == "entry 0 of the batch"
    with pytest.raises(ParseError) as cut:
        parse_batch(_framed(b"a") + b"\x00")
    assert (cut.value.what, cut.value.got) == (
        "entry 1 of the batch",
        "4 bytes, and the entry ends at 5",
    )
    with pytest.raises(EntrySizeError) as large:
        parse_batch(_framed(b"a") * (MAX_BATCH_ENTRIES + 1))
    assert large.value.expected == "at most 4096 entries"
