"""What the reference image costs: to build, to boot under emulation, to ask, and its memory.

    python -m benchmarks.drive_boot [--rounds N] [--requests N] [--store DIR] [--skip-memory]
                                    [--from-source]

Once without byte code and once with it, which needs bubblewrap; with ``--from-source`` also of an
image whose kernel and firmware are compiled, once, if the store has no compilation yet. They are
booted in turn. Needs QEMU and the inputs of the image (``make inputs``), and says so without.

Every figure of time is a median of the rounds with its least and most. ``x`` is the median of the
rounds' ratios to a plain loop of SHA-256 in Python that is timed just before: seconds of a busy
machine are only like themselves.

Times of a boot begin when QEMU is started. ``answered`` is when a summary has come over a session
whose evidence was VERIFIED. What comes before, copying the artifacts and the measurement of the
simulated processor by sev-snp-measure, is ``prepared``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from tests.deployment import LoggedImage, build_image, log_image
from tests.image_inputs import input_store
from tests.running import ROOT
from verifier.appraisal.drive.driven import Start
from verifier.cli.judging import load_policy, load_roots
from verifier.client.session import AttestedSession, collect_evidence
from verifier.client.tls import connected
from verifier.drive.machine import Machine, booted
from verifier.library import verify_bundle
from verifier.wire.service import Message, SummaryRequest

PROGRAMS = ("qemu-system-x86_64", "bwrap")
SECONDS = 300.0
KINDS: dict[str, tuple[str, ...]] = {"pinned binaries": (), "with byte code": ("--byte-code",)}
FROM_SOURCE = {"from source, with byte code": ("--from-source", "--reuse-compiled", "--byte-code")}
MEMORY = (96, 128, 160, 192, 224, 256, 320, 384, 448, 512)  # MiB
LOOP = 4_000_000
REQUEST = SummaryRequest(
    (
        Message("Ada", "The train to the village leaves at nine. Who brings the bread?"),
        Message("Ben", "I bring bread and cheese. Chidi has the tickets for the train."),
        Message("Chidi", "The tickets are bought, and the train is on time."),
    ),
    2,
)


@dataclass
class Series:
    """Seconds of one thing, each with those of the loop beside it."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float, beside: float) -> None:
        self.taken.append((seconds, beside))

    def row(self, name: str, unit: float = 1.0, suffix: str = "s") -> str:
        seconds = [each * unit for each, _ in self.taken]
        ratio = median(each / beside for each, beside in self.taken)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        return f"{name:34} {median(seconds):8.2f} {suffix:3} {spread:>18}   x {ratio:6.2f}"


@dataclass
class Figures:
    """Everything that is measured more than once."""

    loop: list[float] = field(default_factory=list)
    assembly: Series = field(default_factory=Series)
    prepared: Series = field(default_factory=Series)
    ready: Series = field(default_factory=Series)
    busy: Series = field(default_factory=Series)
    answered: Series = field(default_factory=Series)
    evidence: Series = field(default_factory=Series)
    request: Series = field(default_factory=Series)
    pair: Series = field(default_factory=Series)
    resident: list[int] = field(default_factory=list)

    def calibrate(self) -> float:
        """Seconds of the loop now."""
        digest, since = bytes(32), time.perf_counter()
        for _ in range(LOOP):
            digest = hashlib.sha256(digest).digest()
        self.loop.append(time.perf_counter() - since)
        return self.loop[-1]


@contextmanager
def timed(series: Series, beside: float) -> Iterator[None]:
    since = time.perf_counter()
    yield
    series.add(time.perf_counter() - since, beside)


def build(
    folder: Path, store: Path, more: tuple[str, ...], figures: Figures, rounds: int
) -> LoggedImage:
    """The image of this tree; the store is warm after the first, which is not counted."""
    folder.mkdir()
    build_image(ROOT, folder / "artifacts", store=store, more=more)
    for number in range(rounds):
        with timed(figures.assembly, figures.calibrate()):
            build_image(ROOT, folder / f"again-{number}", store=store, more=more)
    return log_image(folder)


def boot(image: LoggedImage, figures: Figures, requests: int) -> None:
    """One machine from nothing to its last answer."""
    beside, since = figures.calibrate(), time.perf_counter()
    with booted(image.boot()) as machine:
        figures.prepared.add(
            time.perf_counter() - since - (time.monotonic() - machine.since), beside
        )
        ended = machine.wait(SECONDS)
        assert ended.start is Start.READY, ended
        figures.ready.add(ended.seconds, beside)
        figures.busy.add(processor_seconds(machine), beside)
        ask(image, machine, figures, requests, beside)
        figures.resident.append(resident(machine))


def ask(
    image: LoggedImage, machine: Machine, figures: Figures, requests: int, beside: float
) -> None:
    now = datetime.now(UTC)
    with connected(machine.address, seconds=SECONDS) as client:
        evidence = collect_evidence(client)
        verified = verify_bundle(
            evidence.bundle(policy=b"", captured=now),
            policy=load_policy(str(image.folder / "policy.toml")),
            roots=load_roots(image.folder / "trust"),
            now=now,
            nonce=evidence.nonce,
        )
        session = AttestedSession(client, evidence, verified)
        session.summarise(REQUEST)
        figures.answered.add(time.monotonic() - machine.since, beside)
        for _ in range(requests):
            with timed(figures.request, beside):
                session.summarise(REQUEST)
        for _ in range(requests):
            with timed(figures.evidence, beside):
                collect_evidence(client)


def boot_two(image: LoggedImage, figures: Figures) -> None:
    """Two machines at once, until both serve."""
    beside = figures.calibrate()
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        since = time.monotonic()
        machines = [stack.enter_context(booted(image.boot())) for _ in range(2)]
        ended = list(pool.map(lambda machine: machine.wait(SECONDS), machines))
        assert {each.start for each in ended} == {Start.READY}, ended
        figures.pair.add(time.monotonic() - since, beside)


def resident(machine: Machine) -> int:
    """Most bytes of memory that QEMU has had: guest, firmware, translated code and itself."""
    status = Path(f"/proc/{machine.process_id}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def processor_seconds(machine: Machine) -> float:
    """What QEMU has computed until now, which a busy machine does not make more."""
    fields = Path(f"/proc/{machine.process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def least_memory(image: LoggedImage, figures: Figures) -> int:
    """The least of ``MEMORY`` with which a guest serves within three times the usual."""
    good, limit = image.boot(), max(30.0, 3 * max(each for each, _ in figures.ready.taken))

    def serves(memory: int) -> bool:
        with booted(replace(good, shape=replace(good.shape, memory=memory))) as machine:
            return machine.wait(limit).start is Start.READY

    low, high = 0, len(MEMORY) - 1  # the last has been seen to do
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if serves(MEMORY[middle]) else (middle + 1, high)
    return MEMORY[low]


def report(image: LoggedImage, figures: Figures, least: int | None) -> Iterator[str]:
    loop = sorted(figures.loop)
    rounds, load = len(figures.ready.taken), os.getloadavg()[0]
    yield f"{os.cpu_count()} processors, load {load:.1f}; {rounds} rounds"
    yield f"{'':34} {'median':>8} {'':3} {'least to most':>18}   to the loop"
    spread = f"{loop[0]:.2f} to {loop[-1]:.2f}"
    yield f"{'four million SHA-256 in Python':34} {median(loop):8.2f} s   {spread:>18}   x   1.00"
    yield figures.assembly.row("assembly from warm inputs")
    yield figures.prepared.row("prepared: copies, measurement")
    yield figures.ready.row("QEMU started until READY")
    yield figures.busy.row("the same, processor time of QEMU")
    yield figures.answered.row("QEMU started until answered")
    yield figures.pair.row("two at once, until both READY")
    yield figures.request.row("summary on an attested session", 1000, "ms")
    yield figures.evidence.row("evidence for a new nonce", 1000, "ms")
    for role, content in image.artifacts.by_role().items():
        if role != "command-line":
            yield f"{role:34} {len(content) / 2**20:8.2f} MiB"
    yield f"{'memory of QEMU, at most':34} {median(figures.resident) / 2**20:8.0f} MiB"
    if least is not None:
        yield f"{'least memory that serves (-m)':34} {least:8d} MiB"


def in_turn(rounds: int, *steps: Callable[[], None]) -> None:
    for number in range(rounds):
        for step in steps:
            step()
        print(f"round {number + 1} of {rounds}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time building, booting and asking the image.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20, help="of each kind and round")
    parser.add_argument("--store", type=Path, default=input_store(os.environ))
    parser.add_argument("--from-source", action="store_true", help="compile, unless it was before")
    parser.add_argument("--skip-memory", action="store_true", help="no search for the least -m")
    arguments = parser.parse_args()
    if not all(map(shutil.which, PROGRAMS)) or not arguments.store.is_dir():
        print(f"left out: needs {' and '.join(PROGRAMS)}, and make inputs", file=sys.stderr)
        return
    kinds = {**KINDS, **(FROM_SOURCE if arguments.from_source else {})}
    measured = {name: Figures() for name in kinds}
    with tempfile.TemporaryDirectory() as name:
        images = {
            kind: build(Path(name) / kind, arguments.store, more, measured[kind], arguments.rounds)
            for kind, more in kinds.items()
        }
        steps = [
            partial(step, images[kind], measured[kind])
            for kind in kinds
            for step in (partial(boot, requests=arguments.requests), boot_two)
        ]
        in_turn(arguments.rounds, *steps)
        for kind, image in images.items():
            least = None if arguments.skip_memory else least_memory(image, measured[kind])
            print(f"\n== {kind}")
            for line in report(image, measured[kind], least):
                print(line)


if __name__ == "__main__":
    main()
