"""Which probes there are, in the order in which they are made.

What a probe is called for people is the name of its function.
"""

from __future__ import annotations

from verifier.drive.lab import ProbeFunction
from verifier.drive.probes.answer import probe_answer
from verifier.drive.probes.binding import probe_binding
from verifier.drive.probes.canary import probe_canary
from verifier.drive.probes.clients_alike import probe_clients_alike
from verifier.drive.probes.fail_closed import probe_fail_closed
from verifier.drive.probes.feature_off import probe_feature_off
from verifier.drive.probes.forward_secrecy import probe_forward_secrecy
from verifier.drive.probes.key_consistency import probe_key_consistency
from verifier.drive.probes.length_buckets import probe_length_buckets
from verifier.drive.probes.memory import probe_memory
from verifier.drive.probes.restart import probe_restart
from verifier.drive.probes.stateless import probe_stateless
from verifier.drive.probes.steering import probe_steering
from verifier.drive.probes.token_linkage import probe_token_linkage
from verifier.drive.probes.token_replay import probe_token_replay

__all__ = ["PROBES_BEFORE", "PROBE_FUNCTIONS"]

PROBES_BEFORE: tuple[ProbeFunction, ...] = (
    probe_feature_off,  # first of all, while no hop has seen a byte
    probe_key_consistency,
)
"""Those that need no evidence, made before there is any."""

PROBE_FUNCTIONS: tuple[ProbeFunction, ...] = (
    probe_answer,
    probe_binding,
    probe_fail_closed,
    probe_canary,
    probe_memory,
    probe_token_replay,
    probe_token_linkage,
    probe_clients_alike,
    probe_length_buckets,
    probe_forward_secrecy,
    probe_stateless,
    probe_steering,
    probe_restart,
)
"""Those made once the evidence is VERIFIED. What restarts a CVM comes last."""
