"""HTTP: an address to bytes, bounded in size and in time. Verifies nothing.

The library bounds each wait for a part of an answer, and not all of them together: a server that
sends a byte now and then would never be done. So each exchange has a thread, which is waited for as
long as an answer of its size may take, and then left to itself; it ends with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import requests

from verifier.errors import FetchError
from verifier.tlog.strict import excerpt

__all__ = ["DEFAULT_TIMEOUT", "Answer", "fetch_answer", "fetch_bytes", "fetch_start", "post_bytes"]

DEFAULT_TIMEOUT = 30.0
"""Seconds to wait for a connection, and again for each part of the answer."""

_SLOWEST = 16_384  # bytes a second that an answer as long as its limit has to come at
_ENCODINGS = ("", "gzip", "identity")  # in one layer: each more could multiply what comes out
_HEADERS = {"User-Agent": "cvm-audit", "Accept-Encoding": "gzip, identity"}
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whatever its status; headers that it did not send are empty."""

    status: int
    content_type: str
    retry_after: str
    content: bytes


def fetch_bytes(url: str, *, limit: int) -> bytes:
    """GET ``url``. Raises FetchError unless the answer is 200 with at most ``limit`` bytes."""
    return _content(fetch_answer(url, limit=limit), url)


def fetch_start(url: str, *, limit: int) -> bytes:
    """GET ``url``: its first ``limit`` bytes, if it has more. FetchError for no answer with 200."""
    return _content(_exchange("GET", url, body=None, content_type="", limit=limit, cut=True), url)


def fetch_answer(url: str, *, limit: int) -> Answer:
    """GET ``url``, of any status. Raises FetchError for more than ``limit`` bytes or no answer."""
    return _exchange("GET", url, body=None, content_type="", limit=limit)


def post_bytes(url: str, body: bytes, *, content_type: str, limit: int) -> bytes:
    """POST ``body``. Raises FetchError unless the answer is 200 with at most ``limit`` bytes."""
    answer = _exchange("POST", url, body=body, content_type=content_type, limit=limit)
    return _content(answer, url)


def _content(answer: Answer, url: str) -> bytes:
    if answer.status != requests.codes.ok:
        got = f"status {answer.status}: {answer.content[:200].decode('utf-8', 'replace')}"
        raise FetchError(url, expected="status 200", got=got)
    return answer.content


def _exchange(
    method: str,
    url: str,
    *,
    body: bytes | None,
    content_type: str,
    limit: int,
    cut: bool = False,
) -> Answer:
    future: Future[Answer] = Future()
    seconds = 2 * DEFAULT_TIMEOUT + limit / _SLOWEST  # a connection, a first byte, and the rest
    once = partial(_once, method, url, body=body, content_type=content_type, limit=limit, cut=cut)
    threading.Thread(target=_settle, args=(future, once), daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        got = f"not all of it within {seconds:.3g} s"
        raise FetchError(url, expected="an answer", got=got) from None


def _settle(future: Future[Answer], once: Callable[[], Answer]) -> None:
    try:
        future.set_result(once())
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the result
        future.set_exception(error)


def _once(
    method: str, url: str, *, body: bytes | None, content_type: str, limit: int, cut: bool
) -> Answer:
    headers = _HEADERS | ({"Content-Type": content_type} if content_type else {})
    try:
        with (
            requests.Session() as session,
            session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=DEFAULT_TIMEOUT,
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            return Answer(
                response.status_code,
                response.headers.get("Content-Type", ""),
                response.headers.get("Retry-After", ""),
                _read(response, url, limit, cut=cut),
            )
    except requests.RequestException as error:
        raise FetchError(url, expected="an answer", got=_reason(error)) from None
    except ValueError:  # of the library below, for a name with a label that is empty or too long
        raise FetchError(url, expected="an answer", got="not the name of a host") from None


def _read(response: requests.Response, url: str, limit: int, *, cut: bool) -> bytes:
    encoding = response.headers.get("Content-Encoding", "")
    if encoding not in _ENCODINGS:
        raise FetchError(url, expected="gzip at most", got=f"Content-Encoding: {excerpt(encoding)}")
    # Read in parts, so that an endless or exploding answer is cut off at the limit.
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > limit and cut:
            break
        if len(content) > limit:
            raise FetchError(url, expected=f"at most {limit} bytes", got="more")
    return bytes(content[:limit])


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"nothing within {DEFAULT_TIMEOUT:g} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "an answer that breaks off"
    return type(error).__name__
