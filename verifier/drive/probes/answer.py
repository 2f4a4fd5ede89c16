"""Whether the released code is what answers through the path (``verifier.drive.challenge``)."""

from __future__ import annotations

from collections.abc import Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.drive.attempt import attempt
from verifier.drive.challenge import make_challenge, pose, pose_chat
from verifier.drive.lab import Lab
from verifier.drive.probes.asking import ClientAsked

__all__ = ["probe_answer"]


def probe_answer(lab: Lab) -> Mapping[str, Seen]:
    """Ask random texts of a new client, each in a session whose evidence is VERIFIED."""
    return {"drive.path.answer": attempt(lambda: _answered(lab))}


def _answered(lab: Lab) -> Done:
    with lab.new_client() as client:
        asked = pose(ClientAsked(client), make_challenge())
        summary = pose_chat(ClientAsked(client), lab.chat)
    return Done(f"{asked} of {asked} as predicted, through relay and gateway{summary}")
