"""What was fetched from AMD's key distribution service, kept on disk. Verifies nothing.

A file here is only bytes that once came over the network: who uses them judges them again. A VCEK
never changes, so it is kept for ever, by product, chip and TCB. A CRL is kept with the instant at
which it was fetched, which is its file's name; older ones stay.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from verifier.errors import FetchError, ParseError
from verifier.evidence.tcb import Product, Tcb
from verifier.roots.snp_root import VekKind
from verifier.tlog.strict import parse_timestamp

__all__ = ["KdsCache"]

_SUFFIX = ".der"
_MAX_FILE = 65_536  # bytes; certificates and CRLs are far below
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class KdsCache:
    """The files below ``folder``, which is made when the first one is kept."""

    folder: Path

    def vcek(self, product: Product, hw_id: bytes, tcb: Tcb) -> bytes | None:
        """The kept VCEK of a chip at a TCB, or None."""
        return _read(self._vcek_path(product, hw_id, tcb))

    def keep_vcek(self, der: bytes, *, product: Product, hw_id: bytes, tcb: Tcb) -> None:
        """Keep a VCEK for ever. Raises FetchError if it cannot be written."""
        _write(self._vcek_path(product, hw_id, tcb), der)

    def crl(
        self, product: Product, kind: VekKind, *, now: datetime
    ) -> tuple[datetime, bytes] | None:
        """The CRL that was fetched last before ``now`` and the instant of that, or None."""
        found = (_fetched(path) for path in self._crl_folder(product, kind).glob(f"*{_SUFFIX}"))
        # One of the future was kept when the clock was wrong; it hides nothing of today.
        newest = max((each for each in found if each is not None and each <= now), default=None)
        if newest is None:
            return None
        content = _read(self._crl_path(product, kind, newest))
        return (newest, content) if content is not None else None

    def keep_crl(self, der: bytes, *, product: Product, kind: VekKind, now: datetime) -> None:
        """Keep a CRL that was fetched at ``now``. Raises FetchError if it cannot be written."""
        _write(self._crl_path(product, kind, now), der)

    def _vcek_path(self, product: Product, hw_id: bytes, tcb: Tcb) -> Path:
        name = "-".join(f"{component}{level}" for component, level in tcb.components())
        return self.folder / "vcek" / product / hw_id.hex() / f"{name}{_SUFFIX}"

    def _crl_folder(self, product: Product, kind: VekKind) -> Path:
        return self.folder / "crl" / f"{product}-{kind}"

    def _crl_path(self, product: Product, kind: VekKind, fetched: datetime) -> Path:
        name = f"{fetched.astimezone(UTC):{_INSTANT}}{_SUFFIX}"
        return self._crl_folder(product, kind) / name


def _fetched(path: Path) -> datetime | None:
    try:
        return parse_timestamp(path.name.removesuffix(_SUFFIX), what=path.name)
    except ParseError:
        return None  # a file that is not ours


def _read(path: Path) -> bytes | None:
    # What cannot be read is as good as absent: it is fetched again.
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError:
        return None
    return content if len(content) <= _MAX_FILE else None


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        got = error.strerror or type(error).__name__
        raise FetchError(str(path), expected="a file in the cache", got=got) from None
