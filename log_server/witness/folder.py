"""A witness in a directory.

::

    DIR/witness.key                       private keys, mode 0600
    DIR/logs.policy                       its logs, as "log <vkey>" lines of a C2SP tlog-policy
    DIR/lock                              held by the one program that cosigns
    DIR/evidence.jsonl                    fork attempts
    DIR/staging/                          unfinished files
    DIR/public/<origin hash>/checkpoint   what was cosigned last: memory and publication in one

Never restore ``public`` from a backup: a witness that forgot what it cosigned cosigns a fork.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from log_server.durable import read_file, replace_file, storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError
from log_server.lock import LogLock
from log_server.signer import Cosigner, generate_cosigners, read_cosigners
from log_server.witness.decision import Logs
from log_server.witness.evidence import EvidenceFile
from log_server.witness.rate import RateLimit
from log_server.witness.witness import Witness
from verifier.errors import ParseError, PolicyError
from verifier.tlog.note import VerificationKey
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.strict import parse_utf8

__all__ = ["OpenWitness", "WitnessFolder", "create_witness", "open_witness"]


@dataclass(frozen=True, slots=True)
class WitnessFolder:
    """The paths of a witness below ``root``; also the shelf of what it cosigned."""

    root: Path

    @property
    def key(self) -> Path:
        """Private keys."""
        return self.root / "witness.key"

    @property
    def logs(self) -> Path:
        """Its logs."""
        return self.root / "logs.policy"

    @property
    def lock(self) -> Path:
        """Lock of the running witness."""
        return self.root / "lock"

    @property
    def evidence(self) -> Path:
        """Fork attempts."""
        return self.root / "evidence.jsonl"

    @property
    def staging(self) -> Path:
        """Unfinished files."""
        return self.root / "staging"

    @property
    def public(self) -> Path:
        """What is served."""
        return self.root / "public"

    def read(self, path: str) -> bytes | None:
        """The bytes of a served file; see ``Shelf.read``."""
        with storage_errors(path):
            return read_file(self.public / path)

    def write(self, path: str, checkpoint: bytes) -> None:
        """Replace a served file; see ``Shelf.write``. One thread at a time for a path."""
        with storage_errors(path):
            target = self.public / path
            if not target.parent.is_dir():
                target.parent.mkdir()
                sync_folder(self.public)
            staged = self.staging / target.parent.name
            staged.unlink(missing_ok=True)  # left by a crash between write and rename
            replace_file(target, checkpoint, staged=staged)


@dataclass(frozen=True, slots=True)
class OpenWitness:
    """A witness that this program runs, and its public keys."""

    witness: Witness
    keys: tuple[VerificationKey, ...]


def create_witness(
    root: Path, *, name: str, logs: tuple[VerificationKey, ...], ml_dsa: bool
) -> tuple[VerificationKey, ...]:
    """Make a witness with new keys that has cosigned nothing; gives back its public keys.

    Raises ConfigurationError if ``root`` exists and is not an empty directory, for a bad name, or
    for logs that no policy can hold.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(str(root), expected="a new or empty directory", got="a used one")
    text = "".join(f"log {key}\n" for key in logs) + "quorum none\n"
    _parse_logs(text)
    folder = WitnessFolder(root)
    with storage_errors(str(root)):
        root.mkdir(parents=True, exist_ok=True)
        folder.staging.mkdir()
        folder.public.mkdir()
        write_new(folder.logs, text.encode())
    # The key comes last: a directory without one is no witness.
    cosigners = generate_cosigners(folder.key, name=name, ml_dsa=ml_dsa)
    return tuple(cosigner.key for cosigner in cosigners)


@contextmanager
def open_witness(root: Path) -> Iterator[OpenWitness]:
    """Open a witness for cosigning, and release it when the block ends.

    Raises ConfigurationError, LockedError, DamagedError, StorageError.
    """
    folder = WitnessFolder(root)
    cosigners: tuple[Cosigner, ...] = read_cosigners(folder.key)
    with closing(LogLock(folder.lock)):
        witness = Witness(
            logs=_read_logs(folder.logs),
            cosigners=cosigners,
            shelf=folder,
            evidence=EvidenceFile(folder.evidence),
            rate=RateLimit(clock=time.monotonic),
        )
        yield OpenWitness(witness, tuple(cosigner.key for cosigner in cosigners))


def _read_logs(path: Path) -> Logs:
    with storage_errors(path.name):
        raw = read_file(path)
    if raw is None:
        raise ConfigurationError(path.name, expected="a file of log lines", got="none")
    try:
        return _parse_logs(parse_utf8(raw, what=path.name))
    except ParseError as error:
        raise ConfigurationError(error.what, expected=error.expected, got=error.got) from error


def _parse_logs(text: str) -> Logs:
    try:
        policy = parse_tlog_policy(text)
    except PolicyError as error:
        what = f"logs of the witness, {error.what}"
        raise ConfigurationError(what, expected=error.expected, got=error.got) from error
    if not policy.logs or policy.witnesses or policy.groups:
        expected = "log lines and quorum none"
        got = f"{len(policy.logs)} logs, {len(policy.witnesses)} witnesses"
        raise ConfigurationError("logs of the witness", expected=expected, got=got)
    return {key.name: policy.log_keys(key.name) for key in policy.logs}
