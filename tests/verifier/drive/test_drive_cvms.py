"""Two guests that serve, and what becomes of one that is booted again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.deployment import LoggedImage
from verifier.appraisal.drive.driven import Start
from verifier.client.session import collect_evidence
from verifier.client.tls import connected
from verifier.drive.boots import started_guest
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.drive.cvms import restartable
from verifier.drive.level import Accelerator
from verifier.errors import FetchError, VerificationError

pytestmark = pytest.mark.slow
SECONDS = 60.0


def test_a_guest_that_is_booted_again_is_another_one(
    reference_image: LoggedImage, bubblewrap: str
) -> None:
    assert bubblewrap
    boot = reference_image.boot(accelerator=Accelerator.BWRAP)
    with started_guest(boot) as first, started_guest(boot) as second:
        assert [each.wait(SECONDS).start for each in (first, second)] == [Start.READY] * 2
        with restartable((first, second), boot, seconds=SECONDS) as cvms:
            assert cvms.addresses == (first.address, second.address)
            with connected(first.address, seconds=SECONDS) as client:
                before = collect_evidence(client).answer.sealing_key
            again = cvms.restart(0)
            assert again != first.address
            with pytest.raises(FetchError), connected(first.address, seconds=SECONDS):
                pass
            with connected(again, seconds=SECONDS) as client:
                assert collect_evidence(client).answer.sealing_key != before
            with connected(second.address, seconds=SECONDS):
                pass  # the other one was left alone
            assert cvms.restart(0) != again  # and once more
        with pytest.raises(FetchError), connected(again, seconds=SECONDS):
            pass


def test_a_guest_that_does_not_serve_again_is_named(
    reference_image: LoggedImage, bubblewrap: str
) -> None:
    assert bubblewrap
    boot = reference_image.boot(accelerator=Accelerator.BWRAP)
    unproven = replace(boot, proof=corrupted_proof(boot.proof))
    with started_guest(boot) as first, started_guest(boot) as second:
        assert [each.wait(SECONDS).start for each in (first, second)] == [Start.READY] * 2
        with restartable((first, second), unproven, seconds=SECONDS) as cvms:
            with pytest.raises(VerificationError) as declined:
                cvms.restart(1)
            assert (declined.value.what, declined.value.expected) == (
                "CVM 1",
                "a guest that serves",
            )
            assert "REFUSED" in declined.value.got
        with restartable((first, second), boot, seconds=0.0) as cvms:
            with pytest.raises(FetchError) as silent:
                cvms.restart(0)
            assert silent.value.got == "no sign of life in 0 s"
