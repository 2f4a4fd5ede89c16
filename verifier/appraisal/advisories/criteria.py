"""By what evidence can show that a known vulnerability is closed: levels, builds and bits.

A criterion compares one published number with one field, and answers no more than that. What a
report is too old to say is ``UNSHOWN``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from verifier.appraisal.posture import Posture
from verifier.evidence.snp_bits import PLATFORM_BITS, POLICY_BITS
from verifier.evidence.tcb import Firmware

__all__ = [
    "Compared",
    "Criterion",
    "Outcome",
    "any_of",
    "firmware_floor",
    "mitigation_bit",
    "platform_bit",
    "policy_bit",
    "tcb_floor",
]


class Outcome(Enum):
    """What one comparison says: the measure is there, it is not, or evidence does not say."""

    MET = auto()
    UNMET = auto()
    UNSHOWN = auto()


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison; ``observed`` is what the evidence shows, in words."""

    outcome: Outcome
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One published number: what is demanded, in words, where that is said, and how to look.

    ``confirmed`` is false where a number is known from others' quotations alone: it is shown
    beside the one in the evidence, and can raise a doubt, but never settle one.
    """

    demand: str
    source: str
    confirmed: bool
    compare: Callable[[Posture], Compared]


def tcb_floor(component: str, level: int, *, source: str, confirmed: bool = True) -> Criterion:
    """A least level of one component of the certificate's TCB, by its name in ``Tcb``'s text."""

    def compare(posture: Posture) -> Compared:
        observed = dict(posture.certified_tcb.components())[component]
        return _compared(observed >= level, f"{component} {observed}")

    demand = f"{component} >= {level}"
    return Criterion(demand=demand, source=source, confirmed=confirmed, compare=compare)


def firmware_floor(firmware: Firmware, *, source: str, confirmed: bool = True) -> Criterion:
    """A least version of the SNP firmware that runs (CURRENT_MAJOR, _MINOR, _BUILD)."""

    def compare(posture: Posture) -> Compared:
        current = posture.current_firmware
        return _compared(current >= firmware, f"firmware {current}")

    demand = f"firmware >= {firmware}"
    return Criterion(demand=demand, source=source, confirmed=confirmed, compare=compare)


def platform_bit(bit: int, *, source: str, confirmed: bool = True) -> Criterion:
    """A bit of PLATFORM_INFO that must be set."""

    def compare(posture: Posture) -> Compared:
        return _compared_bit("PLATFORM_INFO", posture.platform_info, bit, PLATFORM_BITS)

    demand = f"PLATFORM_INFO.{PLATFORM_BITS[bit]} 1"
    return Criterion(demand=demand, source=source, confirmed=confirmed, compare=compare)


def policy_bit(bit: int, *, source: str, confirmed: bool = True) -> Criterion:
    """A restriction of POLICY that must be set."""

    def compare(posture: Posture) -> Compared:
        return _compared_bit("POLICY", posture.policy, bit, POLICY_BITS)

    demand = f"POLICY.{POLICY_BITS[bit]} 1"
    return Criterion(demand=demand, source=source, confirmed=confirmed, compare=compare)


def mitigation_bit(bit: int, *, source: str, confirmed: bool = True) -> Criterion:
    """A bit of both mitigation vectors; reports before version 5 have none."""

    def compare(posture: Posture) -> Compared:
        launch, current = posture.launch_mitigation_vector, posture.current_mitigation_vector
        if launch is None or current is None:
            observed = f"a report of version {posture.version}, which has no mitigation vectors"
            return Compared(Outcome.UNSHOWN, observed)
        observed = f"mitigation vectors {launch:#x} at launch, {current:#x} now"
        return _compared(launch & current & 1 << bit != 0, observed)

    demand = f"bit {bit} of both mitigation vectors"
    return Criterion(demand=demand, source=source, confirmed=confirmed, compare=compare)


def any_of(*criteria: Criterion) -> Criterion:
    """Measures of which one is enough; no more confirmed than the least confirmed of them."""

    def compare(posture: Posture) -> Compared:
        every = [criterion.compare(posture) for criterion in criteria]
        for outcome in (Outcome.MET, Outcome.UNSHOWN):
            for one in every:
                if one.outcome is outcome:
                    return one
        return Compared(Outcome.UNMET, ", ".join(one.observed for one in every))

    return Criterion(
        demand=" or ".join(criterion.demand for criterion in criteria),
        source="; ".join(dict.fromkeys(criterion.source for criterion in criteria)),
        confirmed=all(criterion.confirmed for criterion in criteria),
        compare=compare,
    )


def _compared(holds: bool, observed: str) -> Compared:
    return Compared(Outcome.MET if holds else Outcome.UNMET, observed)


def _compared_bit(field: str, value: int, bit: int, names: Mapping[int, str]) -> Compared:
    shown = value >> bit & 1
    return _compared(shown == 1, f"{field}.{names[bit]} {shown}")
