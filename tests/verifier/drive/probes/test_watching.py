"""What taps saw since a moment, and sessions that are nobody's finding."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of, recording
from verifier.drive.probes.watching import (
    TRIES,
    Watch,
    connect_to,
    reached_cvm,
    require_traffic,
    some_source,
    without_session_no_finding,
)
from verifier.drive.tap import Recording
from verifier.errors import FetchError, ParseError, PolicyError, UnsupportedError, VerificationError


def test_a_watch_sees_what_is_opened_after_it() -> None:
    world = World()
    world.taps["client-relay"].seen.append(recording(b"before"))
    watch = Watch(world.lab())
    later = recording(b"after")
    world.taps["client-relay"].seen.append(later)
    assert watch.seen("client-relay") == (later,)
    assert watch.cvms() == (0, 0)
    world.taps["gateway-cvm-1"].seen.append(later)
    assert watch.cvms() == (0, 1)


def test_one_session_reaches_one_cvm() -> None:
    assert reached_cvm((0, 1)) == 1
    for connections in ((0, 0), (1, 1), (2, 0)):
        with pytest.raises(FetchError) as caught:
            reached_cvm(connections)
        what, expected, got = fields_of(caught)
        assert (what, expected) == ("connections to a CVM", "one for one session")
        assert got == str(sum(connections))


def test_a_certain_cvm_is_reached_by_trying() -> None:
    world = World(choose=lambda _, number: int(number == 5))
    client = world.lab().new_client()
    connect_to(world.lab(), client, 1)
    assert world.sessions == 6
    never = World(choose=lambda _source, _number: 0)
    with pytest.raises(FetchError) as caught:
        connect_to(never.lab(), never.lab().new_client(), 1)
    assert fields_of(caught) == ("CVMs reached", "a session with CVM 1", f"none of {TRIES}")
    assert never.sessions == TRIES


@pytest.mark.parametrize(
    ("recordings", "way"),
    [((), "there"), ((recording(b"", b"x"),), "there"), ((recording(b"x"),), "back")],
)
def test_an_empty_recording_shows_nothing(recordings: tuple[Recording, ...], way: str) -> None:
    require_traffic({"hop": (recording(b"x", b"y"),)})
    with pytest.raises(FetchError) as caught:
        require_traffic({"hop": recordings})
    assert fields_of(caught) == ("recording of hop", "bytes both ways", f"none {way}")


@pytest.mark.parametrize("kind", [ParseError, UnsupportedError, VerificationError])
def test_a_client_that_refuses_is_another_checks_finding(
    kind: type[ParseError | UnsupportedError | VerificationError],
) -> None:
    with pytest.raises(FetchError) as caught, without_session_no_finding():
        raise kind("report", expected="a good one", got="a bad one")
    assert fields_of(caught) == (
        "session of the probe",
        "answers over a session that is VERIFIED",
        "report: a bad one (expected a good one)",
    )


def test_the_weather_and_wrong_callers_pass_through() -> None:
    for error in (
        FetchError("relay", expected="an answer", got="none"),
        PolicyError("policy", expected="one", got="none"),
        ValueError("wrong"),
    ):
        with pytest.raises(type(error)) as caught, without_session_no_finding():
            raise error
        assert caught.value is error


def test_sources_are_loopback_addresses_of_nobody_else() -> None:
    sources = {some_source() for _ in range(50)}
    assert len(sources) > 45
    assert all(
        ip_address(source) in ip_network("127.100.0.0/8", strict=False) for source in sources
    )
    assert all(int(part) >= 100 for source in sources for part in source.split("."))
