"""What the private path costs, beside the same work asked directly and over plain HTTP.

    python -m benchmarks.path_load [--requests N] [--clients N] [--rounds N] [--in-use]

Starts every role and two nodes as processes, and two plain HTTP servers that answer the same
requests with the same workload. In each round the clients, each a thread with one request under
way, send their part of the requests to the plain servers, then to the nodes directly, then through
the path; every client has a new session in every round. Each request is the same summary of a chat,
and an answer that is not the predicted one is an error, as one that does not come. With an error,
or a connection that failed and that a client replaced by itself, the exit code is 1.

Load and servers share this machine, so milliseconds are those of its cores under this load;
``x plain`` and ``x direct`` are ratios of the same quantile in the same run. ``session`` is what
the first byte of a prompt waits for: keys, token, TLS, evidence and verdict; over plain HTTP, a
connection.

Memory is resident memory after a first round that is not counted, and at the end. ``per 100`` is
growth for 100 requests through the path, ``second half`` the same from the middle of the run on:
what settles grows less there, and a leak as much. Nodes answer the direct requests as well, and
what they grow by then is not taken off. Resident memory settles slowly: what was freed stays with
the allocator, in ever more pieces. ``--in-use`` shows what was not freed instead, to the byte
(``tests/pipeline/in_use.py``), and is where a leak would show; the times are then not those of
roles as they run.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol

from benchmarks.log_load import started
from tests import making
from tests.evil.world import Address, Cvm, World, make_world, running_cvm
from tests.pipeline import in_use
from tests.pipeline.roles import AUTHORITY, ISSUER_NAME, make_keys, run_keys, running
from verifier.appraisal.policy import Policy
from verifier.client.client import AttestedClient
from verifier.client.deadline import Deadline
from verifier.client.deployment import Deployment
from verifier.client.endpoint import DirectEndpoint, Endpoint, Opened
from verifier.client.feature import Feature
from verifier.client.path import PrivatePath
from verifier.errors import AuditError
from verifier.wire import service
from verifier.wire.service import Message, SummaryRequest
from verifier.wire.workload.summary import summarise

LOOPBACK, SECONDS, NODES = "127.0.0.1", 60.0, 2
PLAIN, DIRECT, PATH = "plain HTTP", "node directly", "private path"
SHOWN_ERRORS, SENTENCES = 5, 3
TOLD = "in-use"
_WHO = ("Ada", "Ben", "Chidi", "Dora", "Emeka")
_WHAT = ("train", "hall", "cake", "projector", "budget", "poster", "van")
_DOES = ("books", "pays for", "looks after", "asks about", "cannot find", "changes")
_WHEN = ("on Monday", "before the meeting", "at nine", "this week", "tomorrow", "after lunch")


def chat(messages: int = 60) -> tuple[tuple[str, str], ...]:
    """Messages of some friends, of two sentences each."""

    def text(n: int) -> str:
        first = f"{_WHO[n * 3 % 5]} {_DOES[n % 6]} the {_WHAT[n % 7]} {_WHEN[n * n % 6]}."
        other, when = _WHAT[(n * 2 + 1) % 7], _WHEN[n // 6 % 6]
        return f"{first} Then the {other} is ready {when} for {n + 2} people."

    return tuple((_WHO[n % 5], text(n)) for n in range(messages))


CHAT = chat()
REQUEST = SummaryRequest(tuple(Message(*each) for each in CHAT), SENTENCES)
PREDICTED = summarise(REQUEST)


class WrongAnswerError(Exception):
    """Not the predicted summary."""


class Asking(Protocol):
    """What a client does, however it asks."""

    def connect(self) -> object: ...

    def summarise(
        self, messages: Sequence[tuple[str, str]], *, sentences: int
    ) -> tuple[str, ...]: ...

    def close(self) -> None: ...


class PlainClient:
    """Asks over HTTP, and trusts whoever answers."""

    def __init__(self, address: Address) -> None:
        self._connection = HTTPConnection(*address, timeout=SECONDS)

    def connect(self) -> None:
        self._connection.connect()

    def summarise(self, messages: Sequence[tuple[str, str]], *, sentences: int) -> tuple[str, ...]:
        request = SummaryRequest(tuple(Message(*each) for each in messages), sentences)
        raw, fields = (
            service.encode_summary_request(request),
            {"Content-Type": service.JSON_MEDIA_TYPE},
        )
        self._connection.request("POST", service.SUMMARY_PATH, raw, fields)
        return service.parse_summary_answer(self._connection.getresponse().read(service.MAX_ANSWER))

    def close(self) -> None:
        self._connection.close()


@dataclass
class Watched:
    """An endpoint, and how often a connection of it failed, which a client makes good unseen."""

    endpoint: Endpoint
    failed: int = 0

    def open(self, *, policy: Policy, now: datetime, deadline: Deadline) -> Opened:
        return self.endpoint.open(policy=policy, now=now, deadline=deadline)

    def renew(self) -> None:
        self.failed += 1
        self.endpoint.renew()


@dataclass
class Kind:
    """One way of asking: who asks so, and what it took, in seconds."""

    name: str
    clients: tuple[Asking, ...]
    sessions: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self, total: int) -> None:
        """Send ``total`` requests, all clients at once, in sessions of this round's own."""
        waiting = iter(range(total))
        turn, ready = threading.Lock(), threading.Barrier(len(self.clients))

        def taken() -> bool:
            with turn:
                return next(waiting, None) is not None

        def ask(client: Asking) -> None:
            try:
                self._timed(self.sessions, client.connect)
                # A handshake under way would be counted among the requests of the others.
                ready.wait(SECONDS)
                while taken():
                    self._timed(self.requests, partial(summary_from, client))
            finally:
                client.close()

        with ThreadPoolExecutor(len(self.clients)) as pool:
            list(pool.map(ask, self.clients))

    def _timed(self, into: list[float], act: Callable[[], object]) -> None:
        since = time.perf_counter()
        try:
            act()
        except (AuditError, OSError, HTTPException, WrongAnswerError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        else:
            into.append(time.perf_counter() - since)

    def forget(self) -> None:
        """Time from here on; errors are never forgotten."""
        self.sessions, self.requests = [], []


def summary_from(client: Asking) -> None:
    lines = client.summarise(CHAT, sentences=SENTENCES)
    if lines != PREDICTED:
        raise WrongAnswerError(f"{lines!r:.200}")


@dataclass(frozen=True)
class Place:
    """Everything that runs: where to ask, and the processes whose memory counts."""

    world: World
    deployment: Deployment
    bearer: str
    nodes: tuple[Address, ...]
    plain: tuple[Address, ...]
    processes: dict[str, int]
    measured: Callable[[str], float]
    watched: list[Watched] = field(default_factory=list)

    def kinds(self, clients: int) -> tuple[Kind, ...]:
        numbers = range(clients)
        return (
            Kind(PLAIN, tuple(PlainClient(self.plain[n % NODES]) for n in numbers)),
            Kind(DIRECT, tuple(self._direct(self.nodes[n % NODES]) for n in numbers)),
            Kind(PATH, tuple(self._through_path() for _ in numbers)),
        )

    def _direct(self, node: Address) -> AttestedClient:
        require = ("evidence", "log", "release")
        policy = making.policy(self.world.log, require=require, report_data="session")
        return self._client(policy, DirectEndpoint(node))

    def _through_path(self) -> AttestedClient:
        return self._client(self.world.policy, PrivatePath(self.deployment, account=self.bearer))

    def _client(self, policy: bytes, endpoint: Endpoint) -> AttestedClient:
        feature = Feature("load")
        feature.switch_on()
        self.watched.append(Watched(endpoint))
        return AttestedClient(
            policy=policy,
            roots=(self.world.root,),
            endpoint=self.watched[-1],
            feature=feature,
            seconds=SECONDS,
        )


@contextmanager
def running_all(folder: Path, *, telling: bool) -> Iterator[Place]:
    """Start roles, nodes and plain servers while the block runs; ``telling`` what is in use."""
    keys = make_keys(folder / "keys")
    account = run_keys("account", keys.folder, "load", "--per-day", 1_000_000)
    assert account.returncode == 0, account.stderr
    world = make_world(folder, keys)
    with ExitStack() as stack:
        if telling:
            os.environ.update(in_use.ENVIRONMENT)

        def node(number: int) -> Cvm:
            place = folder / f"node {number}"
            if not telling:
                return stack.enter_context(running_cvm(world, place))
            module, more = in_use.__name__, (str(place / TOLD),)
            return stack.enter_context(running_cvm(world, place, module=module, more=more))

        cvms = [node(number) for number in range(NODES)]
        nodes = tuple(cvm.address for cvm in cvms)
        plain = [started("-m", "tests.plain_node") for _ in range(NODES)]
        addresses = tuple((LOOPBACK, stack.enter_context(each)[1]) for each in plain)

        def role(name: str, *arguments: object) -> str:
            patch = in_use.patch(folder / name / TOLD) if telling else ""
            each = stack.enter_context(running(name, *arguments, folder=folder / name, patch=patch))
            processes[name] = each.process.pid
            return each.url

        def measured(name: str) -> float:
            if telling:
                return in_use.in_use(processes[name], folder / name / TOLD) / 1024
            return resident(processes[name])

        processes: dict[str, int] = {}
        key_cdn = role("keycdn", *(f"--logged={place}" for place in world.logged))
        issuer = role("issuer", *keys.issuer_options(folder / "issued.sqlite"))
        gateway = role("gateway", *keys.gateway_options(folder / "spent.sqlite", nodes))
        relay = role("relay", "--gateway", f"{gateway}/")
        processes |= {f"node {number}": cvm.process_id for number, cvm in enumerate(cvms)}
        deployment = Deployment.of(
            relay=relay,
            key_cdn=key_cdn,
            issuer=issuer,
            authority=AUTHORITY,
            issuer_name=ISSUER_NAME,
        )
        bearer = account.stdout.strip()
        yield Place(world, deployment, bearer, nodes, addresses, processes, measured)


def resident(process: int) -> int:
    """Resident memory of a process, in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, "a role or node has ended"
    return int(found[1])


@dataclass(frozen=True)
class Memory:
    """KiB of every process by its name, when ``requests`` had gone through the path."""

    requests: int
    kib: dict[str, float]

    def growth(self, earlier: Memory, name: str) -> float:
        """KiB per 100 requests since then."""
        grown = self.kib[name] - earlier.kib[name]
        return grown * 100 / (self.requests - earlier.requests)


def load(kinds: Sequence[Kind], place: Place, total: int, rounds: int) -> list[Memory]:
    """A round to warm up, and ``rounds``; memory after each of these ``rounds + 1``."""
    measured, done = list[Memory](), 0
    for number in range(rounds + 1):
        part = total // rounds + (0 < number <= total % rounds)
        for kind in kinds:
            kind.run(part)
            if number == 0:
                kind.forget()
        done += part if number else 0
        measured.append(Memory(done, {name: place.measured(name) for name in place.processes}))
        print(f"... round {number} of {rounds}", file=sys.stderr, flush=True)
    return measured


def quantile(waits: Sequence[float], part: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * part))]


def show_times(kinds: Sequence[Kind]) -> Iterator[str]:
    titles = ("p50 ms", "p99 ms", "p50 x plain", "p99 x plain", "p50 x direct", "p99 x direct")
    yield f"{'':24}{'count':>7}" + "".join(f"{title:>14}" for title in titles)
    for of in ("requests", "sessions"):
        for kind in kinds:
            waits = getattr(kind, of)
            both = [quantile(waits, part) for part in (0.5, 0.99)]
            beside = [
                each / quantile(getattr(other, of), part)
                for other in kinds[:2]
                for each, part in zip(both, (0.5, 0.99), strict=True)
            ]
            yield (
                f"{of[:-1]}, {kind.name}".ljust(24)
                + f"{len(waits):>7}"
                + "".join(f"{each:>14.2f}" for each in (*(each * 1e3 for each in both), *beside))
            )


def show_memory(measured: Sequence[Memory], of: str) -> Iterator[str]:
    first, middle, last = measured[0], measured[len(measured) // 2], measured[-1]
    titles = ("warm KiB", "end KiB", "per 100", "second half")
    yield f"{of:24}" + "".join(f"{title:>14}" for title in titles)
    for name in first.kib:
        yield (
            f"{name:24}{first.kib[name]:>14.0f}{last.kib[name]:>14.0f}"
            f"{last.growth(first, name):>+14.1f}{last.growth(middle, name):>+14.1f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=500, help="of each kind")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="at least 2")
    parser.add_argument("--in-use", action="store_true", help="memory that was not freed")
    asked = parser.parse_args()
    if asked.rounds < 2 or asked.requests < asked.rounds or asked.clients < 1:
        parser.error("needs a client, two rounds, and a request in each")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place = stack.enter_context(running_all(Path(name), telling=asked.in_use))
        kinds = place.kinds(asked.clients)
        measured = load(kinds, place, asked.requests, asked.rounds)
        print(
            f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; "
            f"{asked.clients} clients, {NODES} nodes, a request of "
            f"{len(service.encode_summary_request(REQUEST))} bytes"
        )
    errors = [f"{kind.name}: {error}" for kind in kinds for error in kind.errors]
    # Without one answer of a kind there is no quantile to show.
    if all(kind.requests and kind.sessions for kind in kinds):
        of = "memory in use" if asked.in_use else "resident memory"
        print(*show_times(kinds), *show_memory(measured, of), sep="\n")
    print(f"errors: {len(errors)}", *list(dict.fromkeys(errors))[:SHOWN_ERRORS], sep="\n  ")
    failed = sum(each.failed for each in place.watched)
    print(f"connections that failed and were replaced: {failed}")
    return 1 if errors or failed else 0


if __name__ == "__main__":
    sys.exit(main())
