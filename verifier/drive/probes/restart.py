"""A CVM that is ended and booted again: nothing of a session may come back with it.

A session tells its CVM a word; that CVM is restarted, and asked by a new session. A pass shows that
the word is in nothing that a boot reads back and that the workload answers from. It does not show
that the host kept no copy of the CVM's memory: what keeps that closed is the processor's encryption
of memory, which an emulated one does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verifier.appraisal.drive.driven import Done, Seen
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab
from verifier.drive.probes.canaries import make_canary
from verifier.drive.probes.stateless import ask_about, judge_told, tell
from verifier.drive.probes.watching import (
    Watch,
    connect_to,
    reached_cvm,
    without_session_no_finding,
)

__all__ = ["CHECK", "probe_restart"]

CHECK = "drive.path.restart"


def probe_restart(lab: Lab) -> Mapping[str, Seen]:
    """Restart the CVM that was told; nothing where none can be restarted, or seen to be reached."""
    restart = lab.restart_cvm
    if restart is None or not lab.is_watched:
        return {}
    return {CHECK: attempt(lambda: _restarted(lab, restart))}


def _restarted(lab: Lab, restart: Callable[[int], None]) -> Done:
    canary, watch = make_canary(), Watch(lab)
    with without_session_no_finding(), lab.new_client() as client:
        told = tell(client, canary)
        number = reached_cvm(watch.cvms())
        client.close()
        restart(number)
        connect_to(lab, client, number)
        after = ask_about(client, f"CVM {number} after a restart")
    return Done(judge_told(canary, told, (after,)))
