"""The probes on a path of real processes: an honest one passes, and what leaks on it is found."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from tests.verifier.drive.labs import Walk, only, stopped_by, walking
from verifier.appraisal.drive.driven import Done
from verifier.appraisal.findings import FindingClass
from verifier.client.client import AttestedClient
from verifier.client.deadline import Deadline
from verifier.client.web import ask, parse_url
from verifier.drive.lab import Lab, LocalRole, ProbeFunction
from verifier.drive.probes.canary import probe_canary
from verifier.drive.probes.clients_alike import probe_clients_alike
from verifier.drive.probes.forward_secrecy import probe_forward_secrecy
from verifier.drive.probes.length_buckets import probe_length_buckets
from verifier.drive.probes.memory import probe_memory
from verifier.drive.probes.restart import probe_restart
from verifier.drive.probes.stateless import probe_stateless
from verifier.drive.probes.steering import probe_steering
from verifier.drive.probes.token_linkage import probe_token_linkage
from verifier.drive.probes.token_replay import probe_token_replay
from verifier.drive.tap import tapping

pytestmark = pytest.mark.slow

HONEST: dict[ProbeFunction, str] = {
    probe_memory: r"no word .* in \d+ MiB of memory of keycdn, issuer, gateway, relay",
    probe_token_replay: r"refused with 401: a spent token in the same bytes while .* new request",
    probe_token_linkage: r"4 tokens of 2 accounts: one key, one challenge, nothing shared",
    probe_clients_alike: r"one head for \d+ requests of two clients, one sequence .*",
    probe_length_buckets: r"texts of 40, 300, 700 letters all are, .*; one of 3000 is not",
    probe_forward_secrecy: r"the gateway's key opens \d+ .*; 2 tunnels carry TLS 1\.3 alone, .*",
    probe_stateless: r"another client .* and the same client .* in 8 answers; .* did",
    probe_restart: r"CVM [01] after a restart did not know the word in 4 answers; .* did",
    probe_steering: r"reached cvm-0 \d+ times, cvm-1 \d+ times and .*",
    probe_canary: r"no word .* of 6 hops and \d+ bytes of files of 4 roles, .* 7 answers had one",
}


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with walking(tmp_path_factory.mktemp("probed")) as walk:
        yield walk


@pytest.mark.parametrize("probe", HONEST, ids=lambda probe: probe.__name__)
def test_an_honest_path_passes(walk: Walk, probe: ProbeFunction) -> None:
    seen = only(probe, walk.lab)
    assert isinstance(seen, Done), seen
    assert re.fullmatch(HONEST[probe], seen.words)


class Leaking:
    """A client that also does something else with what it summarises."""

    def __init__(self, client: AttestedClient, leak: Callable[[str], None]) -> None:
        self._client = client
        self._leak = leak

    def summarise(self, messages: Iterable[tuple[str, str]], **options: Any) -> tuple[str, ...]:
        given = tuple(messages)
        self._leak(given[0][1])
        return self._client.summarise(given, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def leaking(lab: Lab, leak: Callable[[str], None]) -> Lab:
    def make(**given: Any) -> Any:
        return Leaking(lab.new_client(**given), leak)

    return replace(lab, new_client=make)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Walk]:
    """A path that may be left with a word on a hop."""
    with walking(tmp_path) as walk:
        yield walk


def test_a_word_on_a_hop_or_in_a_file_is_found(fresh: Walk) -> None:
    relay = next(role for role in fresh.lab.roles if role.name == "relay")

    def write(text: str) -> None:
        (relay.directory / "kept").write_text(text.upper())

    seen = stopped_by(only(probe_canary, leaking(fresh.lab, write)))
    assert seen[:2] == (FindingClass.SECURITY, "no word of the client, in any spelling")
    assert re.fullmatch(r"words of the client: relay: file kept, offset \d+: in capitals", seen[2])
    (relay.directory / "kept").unlink()

    def post(text: str) -> None:
        host, port = fresh.lab.taps["client-relay"].address
        url = parse_url(f"http://{host}:{port}/", what="relay")
        ask(url, text.encode(), media_type="text/plain", limit=9999, deadline=Deadline.after(30))

    seen = stopped_by(only(probe_canary, leaking(fresh.lab, post)))
    assert re.fullmatch(
        r"words of the client: client-relay, connection \d+, there, offset \d+: as it is", seen[2]
    )


@pytest.mark.parametrize("hop", ["client-issuer", "client-relay", "relay-gateway"])
def test_a_canary_that_passed_where_nobody_watched_shows_nothing(walk: Walk, hop: str) -> None:
    with tapping(limit=1) as blind:
        blinded = replace(walk.lab, taps={**walk.lab.taps, hop: blind})
        seen = stopped_by(only(probe_canary, blinded))
    infrastructure = FindingClass.INFRASTRUCTURE
    assert seen == (infrastructure, "bytes both ways", f"recording of {hop}: none there")


def test_a_word_in_the_memory_of_a_role_is_found(walk: Walk) -> None:
    """This program is where the client is, so it has the words; and it is no role."""
    own = LocalRole(
        name="driver",
        pid=os.getpid(),
        log=walk.lab.roles[0].log,
        directory=walk.lab.roles[0].directory,
    )
    gone = replace(own, name="gone", pid=2**22 + 1)  # beyond the largest number of a process
    seen = stopped_by(only(probe_memory, replace(walk.lab, roles=(own, gone))))
    assert seen[:2] == (FindingClass.SECURITY, "no word of the client, in any spelling"), seen
    assert re.fullmatch(r"words of the client: memory of driver, offset \d+: .*", seen[2])


def test_a_key_that_is_not_the_gateways_opens_nothing(walk: Walk) -> None:
    def others() -> dict[str, bytes]:
        return {"gateway": b'{"keyId": 300}', "issuer": b""}

    for probe in (probe_forward_secrecy, probe_token_linkage, probe_token_replay):
        cls, _, got = stopped_by(only(probe, replace(walk.lab, secrets_of_roles=others)))
        assert cls is FindingClass.INPUT
        assert got.startswith("gateway's secret")
        nobody = replace(walk.lab, secrets_of_roles=dict)
        assert stopped_by(only(probe, nobody)) == (
            FindingClass.INFRASTRUCTURE,
            "the gateway's",
            "keys of the roles: none",
        )
