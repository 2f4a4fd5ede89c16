"""An entry under the publishers of a policy: what the kinds of entries have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import HostsPolicy, KeysPolicy, ReleasePolicy
from verifier.release.entry import AuthenticEntry, AuthenticRelease, Entry

__all__ = ["open_signed"]

_Opened = TypeVar("_Opened", AuthenticEntry, AuthenticRelease)


def open_signed(
    ledger: Ledger,
    check: str,
    door: Callable[..., _Opened],
    entry: Entry,
    *,
    policy: HostsPolicy | KeysPolicy | ReleasePolicy,
    source: str,
) -> _Opened | None:
    """Record ``check``, that enough publishers of ``policy`` have signed; None if they have not.

    ``door`` is ``open_entry``, or ``open_release``. ``source`` is the role of the bundle member.
    """
    return ledger.attempt(
        check,
        lambda: door(entry, publishers=policy.publishers, threshold=policy.publisher_threshold),
        expected=f"{policy.publisher_threshold} of "
        + ", ".join(key.keyid for key in policy.publishers),
        got=lambda opened: "signed by " + ", ".join(key.keyid for key in opened.keys),
        source=source,
    )
