"""Whether a CVM that was booted again knows what it was told before."""

from __future__ import annotations

from tests.verifier.drive.probes.memory_lab import World
from verifier.appraisal.drive.driven import Done, Stopped
from verifier.appraisal.findings import FindingClass
from verifier.drive.probes.restart import CHECK, probe_restart


def test_the_cvm_that_was_told_is_restarted_and_asked() -> None:
    world = World(choose=lambda _, number: int(number in (0, 3)))
    seen = probe_restart(world.lab())[CHECK]
    assert seen == Done(
        "CVM 1 after a restart did not know the word in 4 answers; the session that was told did"
    )
    assert world.restarted == [1]
    assert world.sessions == 4


def test_what_is_kept_in_memory_alone_does_not_survive() -> None:
    assert isinstance(probe_restart(World(keeps=True).lab())[CHECK], Done)


def test_a_cvm_that_knows_it_after_its_restart_is_caught() -> None:
    seen = probe_restart(World(keeps=True, survives=True).lab())[CHECK]
    assert isinstance(seen, Stopped)
    assert seen.cls is FindingClass.SECURITY
    assert seen.expected == "no word of another session"
    assert seen.got == "CVM 0 after a restart: the word, in answer 1 of 4"


def test_nothing_is_seen_where_nothing_can_be_restarted() -> None:
    assert probe_restart(World().lab(watched=False)) == {}
