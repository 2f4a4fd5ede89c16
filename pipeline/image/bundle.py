"""An input bundle: locks and their inputs in one tar, the same bytes for everyone.

Members are ``inputs.lock``, ``toolchain.lock`` where it is for a build from source, and
``sha256/<hex>``, each in byte order, of mode 0644, without owner and
time. Who has the bundle of a release can rebuild it without a network, and long after the mirrors
have dropped the inputs. Source: POSIX.1-1988 ustar; docs/spec/image.md, "Input bundle".
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.image.lock import Input
from pipeline.image.store import Store
from verifier.errors import FetchError, ParseError

__all__ = ["take_from_bundle", "write_bundle"]

_FOLDER = "sha256"


def write_bundle(
    path: Path, *, locks: Mapping[str, bytes], inputs: Sequence[Input], store: Store
) -> None:
    """Write the bundle of ``inputs`` to ``path``, a file of the caller's own; locks by file name.

    Raises FetchError for an input that the store lacks, VerificationError for one that it holds
    damaged; OSError where the file cannot be written.
    """
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(locks.items()):
            _add(archive, name, content)
        # One file may be an input of both locks.
        for item in sorted({item.sha256: item for item in inputs}.values(), key=_digest):
            _add(archive, f"{_FOLDER}/{item.sha256.hex()}", store.read(item))


def _digest(item: Input) -> bytes:
    return item.sha256


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def take_from_bundle(path: Path, items: Sequence[Input], store: Store) -> tuple[Input, ...]:
    """Put those of ``items`` into the store that the bundle holds, and give those that it lacks.

    A bundle is believed nothing: what it holds under a digest must have that digest
    (VerificationError). Raises ParseError for a broken tar, FetchError if it cannot be read.
    """
    wanted = {f"{_FOLDER}/{item.sha256.hex()}": item for item in items}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                item = wanted.pop(member.name, None)
                if item is not None:
                    _take(archive, member, item, store)
    except tarfile.TarError as error:
        raise ParseError(f"bundle {path}", expected="a tar", got=str(error)) from None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(f"bundle {path}", expected="a bundle", got=got) from None
    return tuple(wanted.values())


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, item: Input, store: Store) -> None:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise ParseError(f"bundle member {member.name}", expected="a file", got="another thing")
    store.add(item, iter(lambda: content.read(1024 * 1024), b""))
