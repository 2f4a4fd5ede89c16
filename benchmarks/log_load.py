"""How fast a running log takes entries, beside what this machine does bare in the same run.

    python benchmarks/log_load.py [--entries N] [--size BYTES] [--clients N ...] [--batch N]

Starts ``cvm-log serve`` on a new log, and writes to it over keep-alive connections, each with one
request under way. Every entry is another one; every index must come exactly once. A request's time
ends with its answer, which is when a published checkpoint covers the entry. Server and load share
this machine: ``server`` and ``load`` are the cores that each of them used, and so say which one was
the limit. At the end ``cvm-log fsck`` examines the log that was just written.

Bare, each measured right before and after the load that it stands beside: leaf hashes of such
entries (``/hash`` is entries per hash), fsyncs of a 4 KiB file beside the log (``/fsync`` is
entries per fsync). And a server on the same HTTP code that does nothing but answer, under the same
load (``/echo`` is entries per entry of the echo; for memory, bytes per byte of it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import uvloop

from log_server.exchange import Answer, Operation, Request, Route
from log_server.log_folder import create_log
from log_server.protocol import Connections, HttpProtocol
from log_server.publisher import CHECKPOINT_PATH
from log_server.router import Router
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import leaf_hash
from verifier.tlog.note import VerificationKey

ROOT = Path(__file__).resolve().parents[1]
ANSWER = b"HTTP/1.1 200 OK\r\n"
TICKS = os.sysconf("SC_CLK_TCK")


class Entries:
    """Distinct entries of one size."""

    def __init__(self, size: int) -> None:
        self._pad = b"x" * (size - 16)
        self._run = time.time_ns() % 10**7
        self._next = 0

    def take(self) -> bytes:
        self._next += 1
        return b"%07d%09d" % (self._run, self._next) + self._pad


@dataclass(frozen=True)
class Run:
    """What one load did. ``waits`` are seconds of each request, sorted; cores are mean ones."""

    entries: int
    seconds: float
    waits: array[float]
    server_cores: float
    load_cores: float

    @property
    def rate(self) -> float:
        return self.entries / self.seconds

    def quantile(self, part: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * part))]


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: log.invalid\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def whole(answer: bytes) -> bytes | None:
    """The body of an answer, None while it is not complete."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return None
    assert head.startswith(ANSWER), answer[:400]
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    return body if len(body) == length else None


class Load:
    """Clients on keep-alive connections, one request under way on each."""

    def __init__(self, port: int, clients: int, *, path: str, per_request: int) -> None:
        self._path = path
        self._per_request = per_request
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._parts: dict[int, bytes] = {}
        self._sent: dict[int, float] = {}
        self._rest: dict[int, memoryview] = {}
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setblocking(False)
            self._sockets[client.fileno()] = client
            self._poll.register(client.fileno(), select.EPOLLIN)

    def run(self, entries: Entries, total: int, process: int) -> tuple[Run, list[bytes]]:
        """Write ``total`` entries; the answers' bodies too."""
        requests = total // self._per_request
        prepared = iter([self._request(entries) for _ in range(requests)])
        waits, bodies = array("d"), list[bytes]()
        before, own, start = cpu_seconds(process), time.process_time(), time.perf_counter()
        for number in list(self._sockets)[:requests]:
            self._send(number, next(prepared))
        while len(bodies) < requests:
            events = self._poll.poll(60)
            assert events, "no answer for a minute"
            for number, event in events:
                if event & select.EPOLLOUT:
                    self._send_rest(number)
                if event & ~select.EPOLLOUT and (body := self._receive(number)) is not None:
                    waits.append(time.perf_counter() - self._sent[number])
                    bodies.append(body)
                    if (request := next(prepared, None)) is not None:
                        self._send(number, request)
        seconds = time.perf_counter() - start
        done = Run(
            requests * self._per_request,
            seconds,
            array("d", sorted(waits)),
            (cpu_seconds(process) - before) / seconds,
            (time.process_time() - own) / seconds,
        )
        for client in self._sockets.values():
            client.close()
        return done, bodies

    def _request(self, entries: Entries) -> bytes:
        if self._per_request == 1:
            return post(self._path, entries.take())
        taken = [entries.take() for _ in range(self._per_request)]
        return post(self._path, b"".join(len(one).to_bytes(2, "big") + one for one in taken))

    def _send(self, number: int, request: bytes) -> None:
        self._sent[number] = time.perf_counter()
        done = self._sockets[number].send(request)
        if done < len(request):
            self._rest[number] = memoryview(request)[done:]
            self._poll.modify(number, select.EPOLLIN | select.EPOLLOUT)

    def _send_rest(self, number: int) -> None:
        rest = self._rest[number]
        rest = rest[self._sockets[number].send(rest) :]
        self._rest[number] = rest
        if not rest:
            self._poll.modify(number, select.EPOLLIN)

    def _receive(self, number: int) -> bytes | None:
        received = self._parts.pop(number, b"") + self._sockets[number].recv(2**16)
        body = whole(received)
        if body is None:
            assert received, "the server closed a connection"
            self._parts[number] = received
        return body


def cpu_seconds(process: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(process: int) -> float:
    """Resident memory of a process, in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def started(*command: object) -> Iterator[tuple[int, int]]:
    """A server that prints "listening on http://HOST:PORT": its process and port."""
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        try:
            yield process.pid, int(line.rpartition(":")[2])
        finally:
            process.terminate()
            assert process.wait(60) == 0


async def echo() -> None:
    """The echo: the HTTP code of the log, and nothing behind it."""

    async def answer(request: Request) -> Answer:
        return Answer(HTTPStatus.OK, b"%d" % len(request.body), "text/plain; charset=utf-8")

    loop = asyncio.get_running_loop()
    operation = Operation(
        name="add", summary="", answer=answer, responses=(), takes=("*/*",), max_body=2**23
    )
    shared = Connections(Router((Route(path="/add", operations={"POST": operation}),)), loop)
    shared.tick()
    server = await loop.create_server(lambda: HttpProtocol(shared), "127.0.0.1", 0, backlog=2048)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()


def hashing_rate(size: int) -> float:
    """Leaf hashes of such entries per second."""
    entries = [os.urandom(size) for _ in range(100_000)]
    start = time.perf_counter()
    for entry in entries:
        leaf_hash(entry)
    return len(entries) / (time.perf_counter() - start)


def fsync_rate(folder: Path) -> float:
    """Files of 4 KiB per second, each written and fsynced."""
    start, count = time.perf_counter(), 200
    for number in range(count):
        descriptor = os.open(folder / f"fsync-{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
        os.close(descriptor)
    return count / (time.perf_counter() - start)


@dataclass(frozen=True)
class Bare:
    """What the machine does bare: leaf hashes and fsyncs per second."""

    hashes: float
    fsyncs: float

    @staticmethod
    def measure(size: int, folder: Path) -> Bare:
        return Bare(hashing_rate(size), fsync_rate(folder))

    def mean(self, other: Bare) -> Bare:
        return Bare((self.hashes + other.hashes) / 2, (self.fsyncs + other.fsyncs) / 2)

    def __str__(self) -> str:
        return f"{self.hashes:,.0f} leaf hashes/s, {self.fsyncs:,.0f} fsyncs/s"


def show(name: str, run: Run, bare: Bare, echoed: float) -> None:
    print(
        f"{name:<26}{run.rate:>9,.0f}/s"
        f"{run.quantile(0.5) * 1e3:>9.1f}{run.quantile(0.99) * 1e3:>9.1f}"
        f"{run.server_cores:>9.2f}{run.load_cores:>7.2f}"
        f"{run.rate / bare.hashes:>9.4f}{run.rate / bare.fsyncs:>8.2f}{run.rate / echoed:>7.3f}",
        flush=True,
    )


def show_memory(when: str, used: float, echoed: float) -> None:
    print(
        f"server: {used:.0f} MB resident {when}, {used / echoed:.2f} times the echo's", flush=True
    )


def step(text: str) -> None:
    """Progress, apart from the figures."""
    print(f"... {text}", file=sys.stderr, flush=True)


def require_all(indices: list[int], total: int) -> None:
    assert len(indices) == len(set(indices)) == total, "an index came twice, or not at all"


class Bench:
    """One run: its entries, its folder, and what the echo did."""

    def __init__(self, asked: argparse.Namespace, work: Path) -> None:
        self._asked = asked
        self._work = work
        self._entries = Entries(asked.size)
        self._echoes: dict[str, float] = {}
        self._echo_memory = 0.0

    def measure(self) -> None:
        step("bare: hashing and fsync")
        print(f"bare: {self._bare()}; entries of {self._asked.size} bytes")
        print(
            f"{'':<26}{'entries':>11}{'p50 ms':>9}{'p99 ms':>9}{'server':>9}{'load':>7}"
            f"{'/hash':>9}{'/fsync':>8}{'/echo':>7}"
        )
        self._measure_echo()
        folder = self._work / "log"
        key = create_log(folder, origin="benchmark.invalid/log", now=datetime.now(UTC))
        self._measure_log(folder)
        self._measure_fsck(folder, key)

    def _measure_echo(self) -> None:
        with started(__file__, "--echo") as (process, port):
            for name, load, total in self._loads(port, batch_path="/add"):
                run, _ = self._load(f"echo, {name}", load, total, process)
                self._echoes[name] = run.rate
            self._echo_memory = resident(process)

    def _measure_log(self, folder: Path) -> None:
        serve = ("-m", "log_server.cli", "serve", folder, "--listen", "127.0.0.1:0")
        with started(*serve) as (process, port):
            show_memory("before", resident(process), self._echo_memory)
            for name, load, total in self._loads(port, batch_path="/v1/batch"):
                _, bodies = self._load(name, load, total, process)
                # A single index is JSON as well.
                answers = map(json.loads, bodies)
                one_each = ([one] if isinstance(one, int) else one["indices"] for one in answers)
                require_all([index for indices in one_each for index in indices], total)
            show_memory("after", resident(process), self._echo_memory)

    def _loads(self, port: int, *, batch_path: str) -> Iterator[tuple[str, Load, int]]:
        asked = self._asked
        for clients in (1, *asked.clients):
            total = asked.entries if clients > 1 else max(1, asked.entries // 100)
            yield f"/add, {clients}", Load(port, clients, path="/add", per_request=1), total
        load = Load(port, asked.batch_clients, path=batch_path, per_request=asked.batch)
        total = asked.batch_entries // asked.batch * asked.batch
        yield f"/v1/batch, {asked.batch_clients} x {asked.batch}", load, total

    def _load(self, name: str, load: Load, total: int, process: int) -> tuple[Run, list[bytes]]:
        step(f"{name}: {total:,} entries")
        before = self._bare()
        run, bodies = load.run(self._entries, total, process)
        echoed = self._echoes.get(name, run.rate)
        show(name, run, before.mean(self._bare()), echoed)
        return run, bodies

    def _measure_fsck(self, folder: Path, key: VerificationKey) -> None:
        step("cvm-log fsck of the log")
        before = self._bare()
        raw = (folder / "public" / CHECKPOINT_PATH).read_bytes()
        size = open_checkpoint(raw, keys=(key,)).tree.size
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "log_server.cli", "fsck", str(folder), "--vkey", str(key)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        rate = size / (time.perf_counter() - start)
        hashes = before.mean(self._bare()).hashes
        files = sum(1 for _ in (folder / "public").rglob("*") if _.is_file())
        print(
            f"{'fsck':<26}{rate:>9,.0f}/s{rate / hashes:>43.4f} /hash; {size:,} in {files:,} files"
        )

    def _bare(self) -> Bare:
        return Bare.measure(self._asked.size, self._work)


def main() -> None:
    """Measure in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=60_000)
    parser.add_argument("--size", type=int, default=300, help="bytes of an entry")
    parser.add_argument("--clients", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--batch", type=int, default=4096, help="entries of a batch")
    parser.add_argument("--batch-clients", type=int, default=8)
    parser.add_argument("--batch-entries", type=int, default=4096 * 80)
    parser.add_argument("--folder", type=Path, help="file system of the log; default: temporary")
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.echo:
        uvloop.run(echo())
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as work:
        Bench(asked, Path(work)).measure()


if __name__ == "__main__":
    main()
