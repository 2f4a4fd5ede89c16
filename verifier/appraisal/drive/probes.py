"""The checks of a drive: one table, with what each needs, and which sight of it is a pass.

A check that is new to the drive is a row here, with its words in ``verifier.appraisal.checks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from verifier.appraisal.drive.driven import Booted, Compared, Done, Seen, Start, Stopped
from verifier.appraisal.findings import Finding, FindingClass, Status, finding

__all__ = ["CONTROL", "PROBES", "UNPROVEN", "Circumstances", "Need", "Probe", "judge"]

CONTROL = "drive.control"
"""The untouched boot beside the others, without which their silence means nothing."""

UNPROVEN = "drive.refuses_unproven"
"""The untouched boot with a corrupted proof."""


class Need(StrEnum):
    """What must be there for a check to be made.

    ``DIRECT`` and ``PATH``: that way to the CVM. ``BOOT``: a boot of ours. ``MACHINE``: firmware
    that measures. ``BOOTS``: more boots than the first. ``WATCHED``: roles and hops of the path on
    this machine. ``SESSION``: evidence that is VERIFIED, because nothing is asked before.
    """

    DIRECT = "direct"
    PATH = "path"
    BOOT = "boot"
    MACHINE = "machine"
    BOOTS = "boots"
    WATCHED = "watched"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the boots have in common.

    ``hardware``: a processor measures what is booted. ``steady``: the untouched boot served beside
    the others, so that a machine which says nothing is not merely slow.
    """

    hardware: bool
    steady: bool


_Rule = Callable[[Booted, Circumstances], Status]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check of a drive. ``rule`` judges a boot, and is None for what is no boot.

    ``expected`` stands in the finding unless what was seen says it itself.
    """

    check: str
    needs: frozenset[Need]
    expected: str
    rule: _Rule | None = None


def _serves(boot: Booted, _: Circumstances) -> Status:
    """Only the guest's own word is a failure; a machine without sign of life may be the host."""
    if boot.start is Start.READY:
        return Status.PASS
    return Status.FAIL if boot.start is Start.DECLINED else Status.ERROR


def _never_starts(boot: Booted, circumstances: Circumstances) -> Status:
    # Firmware that refuses spins for ever. A guest that crashes or declines was let in; only on
    # hardware, where the processor measures the changed bytes, is it right to find that out late.
    late = (Start.ENDED, Start.DECLINED)
    if boot.answers or boot.start is Start.READY:
        return Status.FAIL
    if boot.start in late and not circumstances.hardware:
        return Status.FAIL
    return Status.PASS if boot.start in late or circumstances.steady else Status.ERROR


def _declines(boot: Booted, _: Circumstances) -> Status:
    if boot.answers or boot.start is Start.READY:
        return Status.FAIL
    return Status.PASS if boot.start is Start.DECLINED else Status.ERROR


def _probe(check: str, *needs: Need, expected: str, rule: _Rule | None = None) -> Probe:
    return Probe(check=check, needs=frozenset(needs), expected=expected, rule=rule)


_TAMPERED = "a machine that never starts"
_ASKED = (Need.PATH, Need.SESSION)
_SEEN = (Need.PATH, Need.SESSION, Need.WATCHED)

PROBES = (
    _probe("drive.artifacts", Need.BOOT, expected="the artifacts of the release, by SHA-256"),
    _probe("drive.boot", Need.BOOT, expected="a guest that serves", rule=_serves),
    _probe("drive.session", expected="evidence over TLS 1.3, for a nonce of our own"),
    _probe("drive.release", Need.SESSION, expected="the entry that was booted"),
    _probe(
        "drive.measurement",
        *(Need.BOOT, Need.MACHINE, Need.SESSION),
        expected="the measurement predicted from the booted bytes",
    ),
    _probe(
        "drive.answer",
        *(Need.DIRECT, Need.SESSION),
        expected="the predicted answers to random texts",
    ),
    *(
        _probe(check, Need.BOOT, Need.MACHINE, Need.BOOTS, expected=_TAMPERED, rule=_never_starts)
        for check in (
            "drive.tamper.kernel",
            "drive.tamper.initrd",
            "drive.tamper.command_line",
            "drive.tamper.no_table",
        )
    ),
    _probe(
        UNPROVEN,
        *(Need.BOOT, Need.BOOTS),
        expected="a guest that declines to serve",
        rule=_declines,
    ),
    _probe(
        CONTROL,
        *(Need.BOOT, Need.MACHINE, Need.BOOTS),
        expected="an untouched guest that serves beside the others",
        rule=_serves,
    ),
    _probe("drive.path.answer", *_ASKED, expected="the predicted answers, through the path"),
    _probe(
        "drive.path.binding",
        *_ASKED,
        expected="evidence bound to the exporter, after a handshake with X25519MLKEM768",
    ),
    _probe(
        "drive.path.canary",
        *_SEEN,
        expected="a canary at no hop, in no file of a role and on no console",
    ),
    _probe("drive.path.memory", *_SEEN, expected="a canary in the memory of no role"),
    _probe("drive.path.token_replay", *_SEEN, expected="a spent token that is refused"),
    _probe("drive.path.token_linkage", *_SEEN, expected="nothing of a token where it was issued"),
    _probe(
        "drive.path.key_consistency",
        Need.PATH,
        expected="one key document for every vantage point, and all of it in the log",
    ),
    _probe(
        "drive.path.clients_alike", *_SEEN, expected="two clients that look alike to the gateway"
    ),
    _probe("drive.path.steering", *_SEEN, expected="a CVM chosen at random for every client"),
    _probe("drive.path.length_buckets", *_SEEN, expected="one length for texts of one bucket"),
    _probe("drive.path.stateless", *_ASKED, expected="a second session that knows nothing"),
    _probe("drive.path.restart", *_SEEN, expected="a restarted CVM that knows nothing"),
    _probe(
        "drive.path.forward_secrecy",
        *_SEEN,
        expected="recordings that no long-lived key opens",
    ),
    _probe(
        "drive.path.feature_off",
        *(Need.PATH, Need.WATCHED),
        expected="no byte at any hop while the feature is off",
    ),
    _probe(
        "drive.path.fail_closed",
        *_SEEN,
        expected="a client that refuses before a byte of its prompt has left",
    ),
)
"""Every check of a drive, in the order in which they are reported."""


def judge(probe: Probe, seen: Seen, circumstances: Circumstances) -> Finding:
    """The finding of a probe; TypeError if something was seen that it cannot judge (our bug)."""
    match seen:
        case Stopped():
            return _unfinished(probe, seen)
        case Booted() if probe.rule is not None:
            return _booted(probe, seen, probe.rule(seen, circumstances))
        case Compared() if probe.rule is None:
            return finding(
                probe.check,
                Status.PASS if seen.expected == seen.got else Status.FAIL,
                expected=seen.expected,
                got=seen.got,
                source=seen.source,
            )
        case Done() if probe.rule is None:
            return finding(
                probe.check, Status.PASS, expected=probe.expected, got=seen.words, source="drive"
            )
    message = f"{probe.check} is not judged by {type(seen).__name__}"
    raise TypeError(message)


def _unfinished(probe: Probe, seen: Stopped) -> Finding:
    weather = seen.cls is FindingClass.INFRASTRUCTURE
    return finding(
        probe.check,
        Status.ERROR if weather else Status.FAIL,
        expected=seen.expected,
        got=seen.got,
        source="drive",
        cls=seen.cls,
        hint=seen.hint,
    )


def _booted(probe: Probe, seen: Booted, status: Status) -> Finding:
    open_ = status is Status.ERROR
    return finding(
        probe.check,
        status,
        expected=probe.expected,
        got=f"{seen.words}, and it answers TLS" if seen.answers else seen.words,
        source="boot",
        cls=FindingClass.INFRASTRUCTURE if open_ else FindingClass.SECURITY,
        hint="give a slow machine more time (--seconds), or less else to do" if open_ else "",
    )
