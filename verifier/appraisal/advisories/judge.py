"""Holds the table of known vulnerabilities against authentic evidence.

``MITIGATED`` needs every known measure of the fix to be shown, and a confirmed number among them.
``VULNERABLE`` means that evidence shows a confirmed measure to be missing. Everything between is
``UNDECIDABLE``: for the vendors publish few of the numbers, and what they do not publish is not
guessed. The TCB is that of the certificate, which is what its key was derived for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from verifier.appraisal.advisories.advisory import Advisory, Exposure
from verifier.appraisal.advisories.criteria import Compared, Criterion, Outcome
from verifier.appraisal.advisories.table import ADVISORIES
from verifier.appraisal.posture import Posture

__all__ = ["AdvisoryVerdict", "Exposed", "judge_advisories", "judge_advisory"]


class Exposed(StrEnum):
    """Whether the platform is open to one known vulnerability, as far as evidence says."""

    NOT_AFFECTED = "not affected"
    MITIGATED = "mitigated"
    VULNERABLE = "vulnerable"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryVerdict:
    """What evidence says of one vulnerability.

    ``reason`` holds the numbers compared, ``sources`` where those that are asked for stand.
    """

    advisory: Advisory
    exposed: Exposed
    reason: str
    sources: tuple[str, ...]


def judge_advisories(posture: Posture) -> tuple[AdvisoryVerdict, ...]:
    """A verdict for every advisory of the table, in its order.

    A simulated platform is judged like the product that it stands for.
    """
    return tuple(judge_advisory(posture, advisory=advisory) for advisory in ADVISORIES)


def judge_advisory(posture: Posture, *, advisory: Advisory) -> AdvisoryVerdict:
    """The verdict for one advisory."""
    exposure = advisory.exposure(posture.product)
    if exposure is None:
        exposed, reason = Exposed.NOT_AFFECTED, f"{posture.product}: {advisory.elsewhere}"
    else:
        exposed, reason = _weigh(posture, exposure)
    criteria = exposure.criteria if exposure is not None else ()
    sources = tuple(dict.fromkeys(criterion.source for criterion in criteria))
    return AdvisoryVerdict(
        advisory=advisory, exposed=exposed, reason=reason, sources=sources or (advisory.source,)
    )


def _weigh(posture: Posture, exposure: Exposure) -> tuple[Exposed, str]:
    outcomes = [(c, c.compare(posture)) for c in exposure.criteria]
    said = [_words(criterion, compared) for criterion, compared in outcomes]
    reason = "; ".join([*said, exposure.open_question] if exposure.open_question else said)
    if any(c.confirmed and o.outcome is Outcome.UNMET for c, o in outcomes):
        return Exposed.VULNERABLE, reason
    shown = all(o.outcome is Outcome.MET for _, o in outcomes)
    if shown and any(c.confirmed for c, _ in outcomes) and not exposure.open_question:
        return Exposed.MITIGATED, reason
    return Exposed.UNDECIDABLE, reason


def _words(criterion: Criterion, compared: Compared) -> str:
    doubt = "" if criterion.confirmed else ", which is unconfirmed"
    return f"{compared.observed} ({criterion.demand} is asked{doubt})"
