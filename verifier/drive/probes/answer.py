"""Whether the released code is what answers through the path (``verifier.drive.challenge``).

Each CVM is asked, in a session of its own; a gateway draws one for every session, so sessions are
opened until each was reached. One that is never reached is not asked, and not named: that is a
matter of ``steering``. Where nobody can see which CVM answers, one session asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.challenge import make_challenge, pose, pose_chat
from verifier.drive.lab import CVM_HOPS, Lab
from verifier.drive.probes.asking import ClientAsked
from verifier.drive.probes.watching import TRIES, Watch, reached_cvm
from verifier.drive.talk import compare_release
from verifier.errors import VerificationError
from verifier.evidence.bundle import open_bundle, parse_bundle

__all__ = ["probe_answer"]


def probe_answer(lab: Lab) -> Mapping[str, Seen]:
    """Ask random texts of a new client, each in a session whose evidence is VERIFIED."""
    return {"drive.path.answer": attempt(lambda: _answered(lab))}


def _answered(lab: Lab) -> Done:
    with lab.new_client() as client:
        if lab.is_watched:
            asked = _each_asked(lab, client)
            whose = f", by {' and '.join(CVM_HOPS[n].removeprefix('gateway-') for n in asked)}"
            count = sum(asked.values())
        else:
            client.connect()
            whose, count = "", _asked(lab, client)
        summary = pose_chat(ClientAsked(client), lab.chat)
    return Done(f"{count} of {count} as predicted{whose}, through relay and gateway{summary}")


def _each_asked(lab: Lab, client: AttestedClient) -> Mapping[int, int]:
    """How much each CVM was asked, by its number."""
    asked: dict[int, int] = {}
    for _ in range(TRIES):
        client.close()
        watch = Watch(lab)
        client.connect()
        number = reached_cvm(watch.cvms())
        if number not in asked:
            asked[number] = _asked(lab, client)
        if len(asked) == len(CVM_HOPS):
            break
    return dict(sorted(asked.items()))


def _asked(lab: Lab, client: AttestedClient) -> int:
    """How much the session of ``client`` was asked, which has to be one with the release."""
    entry = open_bundle(parse_bundle(client.bundle)).content("release-entry") or b""
    release = compare_release(lab.entry, entry)
    if release.got != release.expected:
        what = "release of the session"
        raise VerificationError(what, expected=release.expected, got=release.got)
    return pose(ClientAsked(client), make_challenge())
