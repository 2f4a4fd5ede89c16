"""Fetches the inputs of a lock by content: from the store, a bundle, a mirror, the machine's apt.

Each source is asked for what is still missing, in order. None is believed: an input is in the
store only with the size and SHA-256 that the lock says. What no source has is one error that names
the input and says what each source answered.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from pipeline.image.apt import download, machine_mirrors
from pipeline.image.bundle import take_from_bundle
from pipeline.image.lock import WHEEL, Input
from pipeline.image.python_index import download_wheels
from pipeline.image.store import Store, StoreError
from verifier.errors import AuditError, FetchError

__all__ = ["AptSource", "BundleSource", "MirrorSource", "PipSource", "Source", "fetch_inputs"]

_Say = Callable[[str], None]

_CHUNK = 256 * 1024
_SECONDS = 60.0
_HINT = (
    "mirrors drop superseded versions: give --bundle FILE, or --mirror URL of an archive that "
    "keeps them, or run relock, which says what changed"
)


class Source(Protocol):
    """A place that may have inputs."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def fetch(self, item: Input, store: Store) -> None:
        """Put ``item`` into the store. Raises AuditError."""


class BundleSource:
    """An input bundle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"bundle {path}"

    def fetch(self, item: Input, store: Store) -> None:
        """As ``Source``."""
        if take_from_bundle(self._path, (item,), store):
            raise FetchError(self.name, expected=str(item), got="it is not in the bundle")


class MirrorSource:
    """A mirror or archive of Debian by its URL (http, https, file): inputs lie at their paths."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https", "file"):
            raise FetchError(f"mirror {url}", expected="a URL of http, https or file", got=url)
        self._url = url.rstrip("/")
        self.name = f"mirror {url}"

    def fetch(self, item: Input, store: Store) -> None:
        """As ``Source``. A wheel is looked for at its file name."""
        store.add(item, self._chunks(f"{self._url}/{quote(item.path, safe='/')}"))

    def _chunks(self, url: str) -> Iterator[bytes]:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - see above
                while chunk := answer.read(_CHUNK):
                    yield chunk
        except urllib.error.HTTPError as error:
            got = f"status {error.code}"
            raise FetchError(url, expected="the input", got=got) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise FetchError(url, expected="an answer", got=str(reason)) from None


class AptSource:
    """The mirrors of the machine's apt configuration, through apt. Has no wheels."""

    name = "apt"

    def __init__(self) -> None:
        self._mirrors: tuple[str, ...] = ()

    def fetch(self, item: Input, store: Store) -> None:
        """As ``Source``."""
        if item.role == WHEEL:
            raise FetchError(self.name, expected="a Debian package", got="a wheel")
        self._mirrors = self._mirrors or machine_mirrors()
        last: AuditError | None = None
        for mirror in self._mirrors:
            with store.scratch() as folder:
                try:
                    url = f"{mirror}/{quote(item.path, safe='/~+')}"
                    download(url, folder / "input", sha256=item.sha256)
                except FetchError as error:
                    last = error
                else:
                    store.add_file(item, folder / "input")
                    return
        if last is not None:
            raise last


class PipSource:
    """The index of the machine's pip configuration, or one that was named. Has only wheels."""

    name = "pip"

    def __init__(self, index: str | None) -> None:
        self._index = index

    def fetch(self, item: Input, store: Store) -> None:
        """As ``Source``."""
        if item.role != WHEEL:
            raise FetchError(self.name, expected="a wheel", got="a Debian package")
        with store.scratch() as folder:
            pins = ((item.name, item.version, item.sha256),)
            (path,) = download_wheels(pins, folder, index=self._index)
            store.add_file(item, path)


def fetch_inputs(
    inputs: Sequence[Input], store: Store, sources: Sequence[Source], *, say: _Say
) -> None:
    """Bring every one of ``inputs`` into ``store``; ``say`` is told of each that is fetched.

    What an interrupted run has fetched is not fetched again. Raises FetchError, after every source
    was asked for every missing input, if one could not be had; StoreError at once.
    """
    missing = [item for item in inputs if not store.holds(item)]
    failed: list[str] = []
    for number, item in enumerate(missing, start=1):
        reasons: list[str] = []
        for source in sources:
            try:
                source.fetch(item, store)
            except StoreError:
                raise
            except AuditError as error:
                reasons.append(f"{source.name}: {error}")
                continue
            say(f"{number} of {len(missing)}: {item}, {item.size} bytes, from {source.name}")
            break
        else:
            tried = "; ".join(reasons) or "no source to ask"
            say(f"{number} of {len(missing)}: {item}: {tried}")
            failed.append(f"{item}: {tried}")
    if failed:
        what = f"{len(failed)} of {len(inputs)} inputs"
        raise FetchError(what, expected="all of them", got=failed[0], hint=_HINT)
