"""The errors that only the record makes, below the judge's tree.

AuditError
├── LogError                this log cannot go on, or must not start
│   ├── StorageError        the disk or the database did not do what it was told
│   ├── DamagedError        stored bytes are not what the signed root covers
│   ├── RolledBackError     the database is older than a checkpoint that was signed
│   ├── ForkedError         the database and a signed checkpoint hold different trees
│   ├── HeadMovedError      another writer moved the head (compare-and-swap lost)
│   ├── LockedError         another program writes this log
│   ├── StoppedError        an earlier failure closed the log for writing
│   ├── FrozenError         the operator closed the log for good
│   └── ConfigurationError  a key, a directory or a name cannot be used
├── AdmissionError          this request, or this moment, is not accepted
│   ├── EntrySizeError      larger than an entry bundle can carry
│   ├── MediaTypeError      not the kind of content that is taken here
│   ├── NotFoundError       no such resource
│   ├── PolicyRefusalError  the log's own policy does not admit the entry
│   └── BusyError           nothing is taken at this moment: too many entries wait
│       ├── DiskSpaceError  less space is free than the log keeps in reserve
│       ├── ClockError      the clock is behind the last signed checkpoint
│       └── QuorumError     too few witnesses cosigned: durable, and not published
└── ResourceError           a published file is not what its path promises
    ├── MissingError        it is not there
    └── OversizedError      it is larger than the format allows

None of the first branch is retried inside the running program: recovery is the start-up path.
"""

from __future__ import annotations

from verifier.errors import AuditError

__all__ = [
    "AdmissionError",
    "BusyError",
    "ClockError",
    "ConfigurationError",
    "DamagedError",
    "DiskSpaceError",
    "EntrySizeError",
    "ForkedError",
    "FrozenError",
    "HeadMovedError",
    "LockedError",
    "LogError",
    "MediaTypeError",
    "MissingError",
    "NotFoundError",
    "OversizedError",
    "PolicyRefusalError",
    "QuorumError",
    "ResourceError",
    "RolledBackError",
    "StoppedError",
    "StorageError",
]


class LogError(AuditError):
    """The log cannot go on, or must not start."""


class StorageError(LogError):
    """The disk or the database did not do what it was told."""


class DamagedError(LogError):
    """Stored bytes are not what the signed root covers; ``what`` is the resource's path."""


class RolledBackError(LogError):
    """The database is older than a checkpoint that was signed: a backup was restored."""


class ForkedError(LogError):
    """The database and a signed checkpoint hold different trees."""


class HeadMovedError(LogError):
    """The head is not the one that was read: another writer moved it."""


class LockedError(LogError):
    """Another program has this log open for writing."""


class StoppedError(LogError):
    """An earlier failure closed the log for writing; only a restart recovers."""


class FrozenError(LogError):
    """The operator closed the log for good; it can be read and not written."""


class ConfigurationError(LogError):
    """A key file, a directory or a name cannot be used."""


class AdmissionError(AuditError):
    """The request, or the moment, is not accepted; nothing was stored."""


class EntrySizeError(AdmissionError):
    """The entry is larger than an entry bundle can carry."""


class MediaTypeError(AdmissionError):
    """The content is not of the kind that is taken here."""


class NotFoundError(AdmissionError):
    """There is no such resource."""


class PolicyRefusalError(AdmissionError):
    """The log policy in force does not admit the entry; ``what`` is ``log-policy.<rule>``."""


class BusyError(AdmissionError):
    """Nothing is taken at this moment: too many entries wait; try again after a second."""


class DiskSpaceError(BusyError):
    """Less space is free than the log keeps in reserve; it goes on when there is more."""


class ClockError(BusyError):
    """The clock is behind the last signed checkpoint; the log goes on when it has caught up."""


class QuorumError(BusyError):
    """Too few witnesses cosigned: what was taken is durable, and not published or acknowledged.

    The same entry again gets its index once they do.
    """


class ResourceError(AuditError):
    """A published file is not what its path promises; ``what`` is the path."""


class MissingError(ResourceError):
    """The file is not there."""


class OversizedError(ResourceError):
    """The file is larger than the format allows; it was not read."""
