"""Whoever is killed, and whenever: an error that says so, in time, and nothing in the clear.

Every piece of the traffic around a process is a moment at which it dies, by SIGKILL. What a client
then has is the answer, if that was on its way already, or a FetchError; what passed any hop never
has a word of the prompt in it; and where the process is started again, the next session works.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.deployment import LoggedImage
from tests.pipeline.roles import PathKeys, received
from tests.verifier.client.mortal import (
    HOPS,
    Moment,
    Mortal,
    MortalTap,
    kill,
    mortal_path,
    mortal_tap,
)
from tests.verifier.client.walked import CANARY, CHAT, sent, switched_on
from verifier.appraisal.drive.driven import Start
from verifier.cli.judging import load_roots
from verifier.client.client import AttestedClient
from verifier.client.endpoint import DirectEndpoint
from verifier.drive.boots import started_guest
from verifier.drive.level import Accelerator
from verifier.drive.machine import Boot
from verifier.drive.sandbox import SandboxedGuest
from verifier.drive.tap import Direction, Recording
from verifier.errors import FetchError
from verifier.wire.ohttp_media import OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE
from verifier.wire.service import Message, SummaryRequest
from verifier.wire.workload.summary import summarise

SECONDS, GUEST_SECONDS = 8.0, 60.0
PREDICTED = summarise(SummaryRequest(tuple(Message(*each) for each in CHAT), 2))
NEEDED_LATER = ("relay", "gateway", "node")
"""Without whom a session that is open does not go on."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, path_keys: PathKeys) -> Iterator[Mortal]:
    with mortal_path(tmp_path_factory.mktemp("mortal"), path_keys) as found:
        yield found
        clear = found.captured()
        assert OHTTP_REQUEST_MEDIA_TYPE.encode() in clear
        assert CANARY not in clear


def asked(client: AttestedClient) -> tuple[str, ...] | FetchError:
    """What comes of a request, in time."""
    began = time.monotonic()
    try:
        return client.summarise(CHAT, sentences=2)
    except FetchError as error:
        return error
    finally:
        assert time.monotonic() - began < SECONDS


def require_named(path: Mortal, victim: str, error: FetchError) -> None:
    """The error says who did not answer, as far as a client can know it."""
    said = (error.what, error.expected, error.got)
    closed = ("an answer", "it was closed")
    if victim in ("keycdn", "issuer", "relay"):
        assert error.what.startswith(f"{path.url(victim)}/")
        assert said[1:] == closed
    elif victim == "gateway":
        expected = f"200 with {OHTTP_RESPONSE_MEDIA_TYPE}"
        got = "status 504: the gateway does not answer it"
        assert said == ("answer of the relay", expected, got)
    else:  # the one connection that a client calls so is that with its CVM
        assert said == ("connection", *closed)


def require_spent(path: Mortal, opened: Recording) -> None:
    """The request that opened a tunnel, sent again as a relay could, opens none any more."""
    before = len(path.taps["node"].recordings())
    with socket.create_connection(path.taps["gateway"].address, timeout=SECONDS) as relay:
        relay.sendall(opened.content(Direction.THERE))
        assert received(relay).startswith(b"HTTP/1.1 200 ")  # and sealed: why it does not
    assert len(path.taps["node"].recordings()) == before


@pytest.mark.slow
@pytest.mark.parametrize("victim", HOPS)
def test_whoever_is_killed_at_any_moment(path: Mortal, victim: str) -> None:
    calm = path.arm(victim, 0)
    with path.client(seconds=SECONDS) as client:
        assert asked(client) == PREDICTED
    assert calm.passed > 1
    errors = []
    for at in range(1, calm.passed + 1):
        moment = path.arm(victim, at)
        before = {name: len(path.taps[name].recordings()) for name in ("gateway", "node")}
        with path.client(seconds=SECONDS) as client:
            outcome = asked(client)
        if isinstance(outcome, FetchError):
            require_named(path, victim, outcome)
            errors.append(at)
        else:
            assert outcome == PREDICTED
        if moment.over():
            path.start(victim)
            if len(path.taps["node"].recordings()) > before["node"]:
                require_spent(path, path.taps["gateway"].recordings()[before["gateway"]])
        else:
            assert outcome == PREDICTED
    # The first piece is one that everything waits for.
    assert errors[:2] == [1, 2]
    with path.client(seconds=SECONDS) as client:
        assert asked(client) == PREDICTED


@pytest.mark.parametrize("victim", HOPS)
def test_whoever_is_killed_before_a_session_and_in_one(path: Mortal, victim: str) -> None:
    path.arm(victim, 0)
    with path.client(seconds=SECONDS) as client:
        client.connect()
        kill(path.processes[victim])
        for _ in range(2):  # between evidence and request, and before a session
            outcome = asked(client)
            if victim in NEEDED_LATER:
                assert isinstance(outcome, FetchError)
                require_named(path, victim, outcome)
            else:
                assert outcome == PREDICTED
        with path.client(seconds=SECONDS) as other:
            outcome = asked(other)
        assert isinstance(outcome, FetchError)
        require_named(path, victim, outcome)
        path.start(victim)
        assert asked(client) == PREDICTED


@pytest.fixture
def tap() -> Iterator[MortalTap]:
    with mortal_tap() as found:
        yield found


@pytest.fixture(scope="module")
def boot(reference_image: LoggedImage, bubblewrap: str) -> Boot:
    assert bubblewrap
    return reference_image.boot(accelerator=Accelerator.BWRAP)


@pytest.mark.slow
def test_a_guest_that_is_killed_at_any_moment(
    reference_image: LoggedImage, boot: Boot, tap: MortalTap
) -> None:
    """The reference image in its sandbox, where a client asks it directly."""
    client = AttestedClient(
        policy=(reference_image.folder / "policy.toml").read_bytes(),
        roots=load_roots(reference_image.folder / "trust"),
        endpoint=DirectEndpoint(tap.address),
        feature=switched_on(),
        seconds=SECONDS,
    )
    tap.forward_to(("127.0.0.1", 9))

    def life(at: int) -> tuple[tuple[str, ...] | FetchError, int, bool]:
        """What a client gets of a guest that dies before piece ``at``, if there are so many.

        With the pieces that had passed by then, and whether it died.
        """
        with started_guest(boot) as guest, client:
            assert guest.wait(GUEST_SECONDS).start is Start.READY
            assert isinstance(guest, SandboxedGuest)
            tap.move_to(guest.address)
            tap.moment = moment = Moment(at, guest.stop)
            outcome = asked(client)
            # What closes the session comes later, and is not waited for.
            return outcome, moment.passed, moment.over()

    outcome, pieces, _ = life(0)
    assert outcome == PREDICTED
    assert pieces > 4  # both ways: a handshake, evidence, a request
    died = []
    for at in range(1, pieces + 1):
        outcome, _, dead = life(at)
        died.append(dead)
        if not dead:  # two pieces came as one
            assert outcome == PREDICTED
            continue
        assert isinstance(outcome, FetchError), at
        said = (outcome.what, outcome.expected, outcome.got)
        assert said == ("connection", "an answer", "it was closed")
    assert all(died[:5])
    assert life(0)[0] == PREDICTED
    assert CANARY not in sent(tap)
