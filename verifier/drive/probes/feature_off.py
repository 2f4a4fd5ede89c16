"""Off means that nothing is sent: not a prompt, and no question for keys or tokens either."""

from __future__ import annotations

import time
from collections.abc import Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.feature import FeatureOffError
from verifier.drive.attempt import attempt
from verifier.drive.challenge import make_challenge
from verifier.drive.lab import Lab
from verifier.drive.probes.asking import ClientAsked, Mark
from verifier.errors import VerificationError

__all__ = ["probe_feature_off"]

_SETTLE_SECONDS = 0.5  # whatever was sent has reached a tap of this machine by then


def probe_feature_off(lab: Lab) -> Mapping[str, Seen]:
    """Ask everything that can be asked of a client whose feature is off."""
    if not lab.is_watched:
        return {}
    return {"drive.path.feature_off": attempt(lambda: _silent(lab))}


def _silent(lab: Lab) -> Done:
    before = Mark.of(lab)
    challenge = make_challenge()
    with lab.new_client(feature_on=False) as client:
        asked = ClientAsked(client)
        for ask in (
            client.connect,
            lambda: asked.summarise(challenge.summary),
            lambda: asked.rewrite(challenge.rewrites[0]),
            lambda: asked.chat(challenge.turns[0]),
        ):
            try:
                ask()
            except FeatureOffError:
                continue
            raise VerificationError("client", expected="that it refuses", got="it answered")
    time.sleep(_SETTLE_SECONDS)
    after = Mark.of(lab)
    for hop in lab.taps:
        opened = after.connections[hop] - before.connections[hop]
        passed = after.passed[hop] - before.passed[hop]
        if opened or passed:
            got = f"{opened} connections and {passed} bytes at {hop}"
            raise VerificationError("a feature that is off", expected="nothing", got=got)
    return Done(f"no connection and no byte at {len(lab.taps)} hops")
