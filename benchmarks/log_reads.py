"""How fast a running log is read, beside a plain nginx that serves the same files in the same run.

    python benchmarks/log_reads.py [--entries N] [--rounds N] [--seconds N] [--connections N]

Makes a log, and loads ``cvm-log serve`` and nginx in turns, on the loopback, with keep-alive
connections that each have one request under way. A figure is the median of the rounds; a ratio is
the median of the rounds' ratios, because a machine that others use too is only like itself for
moments. ``us`` is the processor time of the server for one request: it does not depend on what else
the machine does, nor on who ran out first, server or load.

nginx has its defaults and sendfile, no access log, and for gzip the bundles compressed beforehand:
everything that makes it fast without a cache of its own. ``nginx`` has one worker, as our server is
one process; ``auto`` one for each core. Without nginx only our figures are shown. The load is that
of wrk; without it, a loop of our own, which is slower than either server: then compare ``us``.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.client
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from log_server.log_folder import create_log, open_log

BATCH = 4096
ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
OURS = "cvm-log"

NGINX = """
worker_processes {workers};
daemon off;
pid {work}/pid;
error_log {work}/error.log;
{user}
events {{ }}
http {{
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        gzip_static on;
    }}
}}
"""

WRK = """
local requests, turn = {}, 0
function init(arguments)
  for path in io.lines(arguments[1]) do requests[#requests + 1] = wrk.format("GET", path) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("figures %d %d %d %d",
    summary.requests, summary.duration, summary.bytes, wrong))
end
"""


@dataclass(frozen=True)
class Kind:
    """What is read: paths in turn, and a header field if any."""

    name: str
    paths: tuple[str, ...]
    header: tuple[str, str] = ("Accept-Encoding", "identity")


@dataclass(frozen=True)
class Served:
    """A server: its name, its port, and the process whose descendants and self do the work."""

    name: str
    port: int
    process: int

    def cpu_seconds(self) -> float:
        """User and system time of all its processes."""
        return sum(map(_cpu_seconds, (self.process, *_children(self.process))))

    def resident(self) -> float:
        """Resident memory of the process itself, in MB."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Run:
    """What one load did; ``cpu`` are seconds of the server."""

    requests: int
    seconds: float
    size: int
    cpu: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        return self.cpu / self.requests


Load = Callable[[Served, Kind], Run]


def fill(folder: Path, count: int, size: int) -> None:
    """A log of ``count`` entries that compress as base64 of random bytes does."""
    chance = random.Random(1)  # noqa: S311 - the same log in every run
    create_log(folder, origin="benchmark.invalid/log", now=datetime.now(UTC))
    with open_log(folder) as log:
        for first in range(0, count, BATCH):
            raw = [chance.randbytes(size * 3 // 4) for _ in range(min(BATCH, count - first))]
            log.sequencer.commit([base64.b64encode(one) for one in raw], now=datetime.now(UTC))


def kinds_of(public: Path) -> tuple[Kind, ...]:
    """What a log of some size has to read."""
    files = [f"/{path.relative_to(public)}" for path in public.rglob("*") if path.is_file()]
    bundles = sorted(path for path in files if re.fullmatch(r"/tile/entries/[x/\d]+", path))
    return (
        Kind("full tiles", tuple(sorted(p for p in files if re.fullmatch(r"/tile/0/[x/\d]+", p)))),
        Kind("partial tiles", tuple(sorted(p for p in files if re.match(r"/tile/\d.*\.p/", p)))),
        Kind("entry bundles", tuple(bundles)),
        Kind("bundles as gzip", tuple(bundles), ("Accept-Encoding", "gzip")),
        Kind("checkpoint", ("/checkpoint",)),
    )


def compress_beside(public: Path, copy: Path) -> None:
    """The same files under ``copy``, and beside each bundle what nginx's gzip_static looks for."""
    shutil.copytree(public, copy)
    for bundle in (copy / "tile" / "entries").rglob("*"):
        if bundle.is_file():
            bundle.with_name(f"{bundle.name}.gz").write_bytes(gzip.compress(bundle.read_bytes(), 5))


@contextmanager
def our_server(folder: Path) -> Iterator[Served]:
    command = ("-m", "log_server.cli", "serve", str(folder), "--listen", "127.0.0.1:0")
    with subprocess.Popen(
        [sys.executable, *command],
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
            yield Served(OURS, int(line.rpartition(":")[2]), process.pid)
        finally:
            process.terminate()
            assert process.wait(60) == 0


@contextmanager
def nginx_server(name: str, program: str, root: Path, work: Path, workers: str) -> Iterator[Served]:
    work.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Started by root, its workers would be somebody who may not read a temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = work / "nginx.conf"
    config.write_text(NGINX.format(workers=workers, work=work, port=port, root=root, user=user))
    command = [program, "-e", str(work / "error.log"), "-c", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await_port(port, process)
            yield Served(name, port, process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < end, "nginx does not listen"
            time.sleep(0.05)
        else:
            return


def fetch(served: Served, kind: Kind, path: str) -> bytes:
    """One file, decompressed."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", path, headers=dict((kind.header,)))
    response = connection.getresponse()
    body = response.read()
    assert response.status == http.HTTPStatus.OK, (served.name, path, response.status)
    connection.close()
    wanted = "gzip" if kind.header[1] == "gzip" else None
    assert response.getheader("Content-Encoding") == wanted, (served.name, path)
    return gzip.decompress(body) if wanted else body


def wrk_load(
    served: Served, kind: Kind, *, program: str, work: Path, asked: argparse.Namespace
) -> Run:
    script, paths = work / "wrk.lua", work / "paths"
    script.write_text(WRK)
    paths.write_text("".join(f"{path}\n" for path in kind.paths))
    command = [program, "-t1", f"-c{asked.connections}", f"-d{asked.seconds}s", "-s", str(script)]
    command += ["-H", ": ".join(kind.header), f"http://127.0.0.1:{served.port}", str(paths)]
    before = served.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    cpu = served.cpu_seconds() - before
    found = re.search(r"^figures (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    requests, microseconds, size, wrong = map(int, found.groups())
    assert wrong == 0, done.stdout
    return Run(requests, microseconds / 1e6, size, cpu)


def own_load(served: Served, kind: Kind, *, asked: argparse.Namespace) -> Run:
    host = f"Host: 127.0.0.1:{served.port}\r\n{': '.join(kind.header)}\r\n\r\n"
    texts = [f"GET {path} HTTP/1.1\r\n{host}".encode() for path in kind.paths]
    poll, clients, missing = select.epoll(), dict[int, socket.socket](), dict[int, int]()
    sent = requests = size = 0
    before, start = served.cpu_seconds(), time.perf_counter()
    for _ in range(asked.connections):
        client = socket.create_connection(("127.0.0.1", served.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[client.fileno()] = client
        poll.register(client.fileno(), select.EPOLLIN)
        client.sendall(texts[(sent := sent + 1) % len(texts)])
    while time.perf_counter() < start + asked.seconds:
        for number, _ in poll.poll(10):
            part = clients[number].recv(2**18)
            assert part, f"{served.name} closed a connection"
            size += len(part)
            rest = missing.pop(number, None)
            rest = _length(part) - len(part) if rest is None else rest - len(part)
            if rest:
                missing[number] = rest
                continue
            requests += 1
            clients[number].sendall(texts[(sent := sent + 1) % len(texts)])
    seconds = time.perf_counter() - start
    for client in clients.values():
        client.close()
    return Run(requests, seconds, size, served.cpu_seconds() - before)


def _length(answer: bytes) -> int:
    """Bytes of a whole answer of which these are the first; the head must be among them."""
    head, blank, _ = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    assert blank
    stated = re.search(rb"\r\nContent-Length: (\d+)", head)
    assert stated is not None, head
    return len(head) + 4 + int(stated[1])


def _children(process: int) -> list[int]:
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _program(name: str) -> str | None:
    # Debian puts servers where only root looks.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def measure(servers: list[Served], kinds: tuple[Kind, ...], load: Load, rounds: int) -> None:
    print(
        f"{'':<17}{'server':<9}{'requests/s':>11}{'MB/s':>8}{'us':>7}{'rate/nginx':>12}{'us/nginx':>10}"
    )
    for kind in kinds:
        for path in kind.paths:
            assert len({fetch(served, kind, path) for served in servers}) == 1, path
        runs = [{served.name: load(served, kind) for served in servers} for _ in range(rounds)]
        for served in servers:
            own = [one[served.name] for one in runs]
            pairs = [(one[served.name], one["nginx"]) for one in runs if "nginx" in one]
            rates = [run.rate / base.rate for run, base in pairs]
            costs = [run.cost / base.cost for run, base in pairs]
            print(
                f"{kind.name:<17}{served.name:<9}{median(run.rate for run in own):>11,.0f}"
                f"{median(run.size / run.seconds for run in own) / 1e6:>8,.0f}"
                f"{median(run.cost for run in own) * 1e6:>7.1f}"
                f"{f'{median(rates):.2f}' if rates else '-':>12}"
                f"{f'{median(costs):.2f}' if costs else '-':>10}",
                flush=True,
            )


def main() -> None:
    """Measure in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=70_000)
    parser.add_argument("--size", type=int, default=300, help="bytes of an entry")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of one load")
    parser.add_argument("--connections", type=int, default=64)
    asked = parser.parse_args()
    program, wrk = _program("nginx"), _program("wrk")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        work = Path(name)
        fill(work / "log", asked.entries, asked.size)
        servers = [stack.enter_context(our_server(work / "log"))]
        if program is None:
            print("nginx is not installed: our figures alone, no ratio")
        else:
            compress_beside(work / "log" / "public", work / "copy")
            for title, workers in (("nginx", "1"), ("auto", "auto")):
                folder = work / f"nginx-{workers}"
                server = nginx_server(title, program, work / "copy", folder, workers)
                servers.append(stack.enter_context(server))
        load = partial(own_load, asked=asked)
        if wrk is not None:
            load = partial(wrk_load, program=wrk, work=work, asked=asked)
        print(f"load: {'wrk' if wrk else 'our own'}, {asked.connections} connections;", end=" ")
        print(f"{asked.entries:,} entries of {asked.size} B, {os.cpu_count()} cores")
        print(f"{OURS}: {servers[0].resident():.0f} MB resident before")
        measure(servers, kinds_of(work / "log" / "public"), load, asked.rounds)
        print(f"{OURS}: {servers[0].resident():.0f} MB resident after")


if __name__ == "__main__":
    main()
