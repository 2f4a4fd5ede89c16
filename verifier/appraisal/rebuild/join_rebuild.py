"""The verdict on a drive that booted what was rebuilt: what either of the two needs, in one list.

Nothing is judged here. No policy has a stage for a rebuild: whoever asks for one requires its
checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from verifier.appraisal.verdict import Verdict

__all__ = ["join_rebuild"]

_STAGE = "rebuild"


def join_rebuild(drive: Verdict, rebuild: Verdict) -> Verdict:
    """The verdict on the drive, which also requires the checks of ``rebuild`` that are its own.

    Those of the log and of the release the drive has made itself, of the very same entry.
    ValueError unless both judge by one policy at one instant.
    """
    if (drive.policy_sha256, drive.instant) != (rebuild.policy_sha256, rebuild.instant):
        message = "a drive and a rebuild under two policies, or at two instants"
        raise ValueError(message)
    return replace(
        drive,
        stages=(*drive.stages, _STAGE),
        required=(*drive.required, *_own(rebuild.required)),
        findings=(*drive.findings, *(f for f in rebuild.findings if _own((f.check,)))),
        not_proven=(*drive.not_proven, *_own(rebuild.not_proven)),
    )


def _own(checks: Iterable[str]) -> tuple[str, ...]:
    return tuple(check for check in checks if check.startswith(f"{_STAGE}."))
