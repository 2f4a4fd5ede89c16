"""``cvm-log serve``: the log over HTTP."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from log_server.cli.address import parse_address, shown_address
from log_server.entry_queue import OpenQueue
from log_server.errors import ConfigurationError
from log_server.floor import DISK_FLOOR
from log_server.freshness import Freshness
from log_server.health import Check
from log_server.log_folder import LogFolder, open_log, read_database
from log_server.metrics import Metrics
from log_server.notify import notify
from log_server.publisher import Publisher
from log_server.server import LogServer, listen, queue_before
from log_server.shared.folder import share_log
from log_server.store.database_url import DatabaseUrl, parse_database_url
from log_server.witnessing import PATIENCE, Patience
from verifier.release.entry import parse_entry
from verifier.tlog.note import VerificationKey

__all__ = ["command"]


@click.command("serve")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    "address",
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--metrics",
    "metrics_address",
    metavar="HOST:PORT",
    help="Where to serve figures for Prometheus, at /metrics. Not where the public reaches.",
)
@click.option(
    "--disk-floor",
    metavar="BYTES",
    type=click.IntRange(min=0),
    default=DISK_FLOOR,
    show_default=True,
    help="Answer 503 to entries while less is free.",
)
@click.option(
    "--witness-policy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Publish only what its quorum cosigned (tlog-policy); default: DIR/witness.policy if any.",
)
@click.option(
    "--refresh",
    metavar="SECONDS",
    type=click.IntRange(min=0),
    default=round(PATIENCE.refresh),
    show_default=True,
    help="Ask the witnesses again when nothing new came for so long; 0: never.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Where a log in PostgreSQL is now, if not where DIR/database says.",
)
def command(
    folder: Path,
    address: str,
    *,
    metrics_address: str | None,
    disk_floor: int,
    witness_policy: Path | None,
    refresh: int,
    database: str | None,
) -> None:
    """Serve the log in DIR: C2SP tlog-tiles to read; /add, /v1/batch, /v1/entries to append.

    Prints "listening on http://HOST:PORT" when it answers. SIGTERM and SIGINT end it after
    everything that was taken is published and answered. Of a log in PostgreSQL several may run, in
    one DIR: each takes entries, and one of them, elected, logs and publishes those of all.
    """
    with ExitStack() as stack:
        patience = Patience(refresh=refresh)
        place = _database(folder, database)
        if place is None:
            served = _alone(stack, folder, disk_floor, witness_policy, patience)
        else:
            served = _shared(folder, place, disk_floor, witness_policy, patience)
        listener, shown = _listen(stack, address, "--listen")
        metrics_listener = _listen_for_metrics(stack, metrics_address)
        for line in (*(f"key {key}" for key in served.keys), *served.introduction):
            _tell(line)

        def ready() -> None:
            click.echo(f"listening on http://{shown}")
            notify("READY=1")

        server = LogServer(
            listener,
            open_queue=served.open_queue,
            publisher=served.publisher,
            parse_entry=parse_entry,
            ready=ready,
            keys=served.keys,
            metrics=served.metrics,
            metrics_listener=metrics_listener,
            checks=served.checks,
        )
        # The server raises the signal that ended it once more when it is done; a drained end is
        # success, not death by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run()


def _listen_for_metrics(stack: ExitStack, address: str | None) -> socket.socket | None:
    if address is None:
        return None
    listener, shown = _listen(stack, address, "--metrics")
    _tell(f"figures on http://{shown}/metrics")
    return listener


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    keys: tuple[VerificationKey, ...]
    publisher: Publisher
    open_queue: OpenQueue
    metrics: Metrics
    checks: tuple[Check, ...]
    introduction: tuple[str, ...] = ()


def _database(folder: Path, given: str | None) -> DatabaseUrl | None:
    written = read_database(LogFolder(folder))
    if given is None:
        return written
    if written is None:
        raise ConfigurationError("--database", expected="a log in PostgreSQL", got="one in log.db")
    return parse_database_url(given)


def _alone(
    stack: ExitStack,
    folder: Path,
    disk_floor: int,
    witness_policy: Path | None,
    patience: Patience,
) -> _Served:
    log = stack.enter_context(
        open_log(folder, disk_floor=disk_floor, witness_policy=witness_policy, patience=patience)
    )
    head = log.sequencer.head
    metrics = Metrics(size=head.tree.size, timestamp=head.timestamp / 1000, clock=time.time)
    freshness = Freshness(log.sequencer.witnessing, refresh=patience.refresh, clock=time.time)
    metrics.watch_cosignatures(age=freshness.age)
    return _Served(
        keys=log.keys,
        publisher=log.publisher,
        open_queue=queue_before(log.sequencer, require=log.sequencer.admission.require),
        metrics=metrics,
        checks=(log.sequencer.require_published, freshness.require),
        introduction=(log.journal, f"size {head.tree.size}"),
    )


def _shared(
    folder: Path,
    database: DatabaseUrl,
    disk_floor: int,
    witness_policy: Path | None,
    patience: Patience,
) -> _Served:
    log = share_log(
        folder,
        database=database,
        disk_floor=disk_floor,
        witness_policy=witness_policy,
        patience=patience,
        tell=_tell,
    )
    return _Served(
        keys=log.keys,
        publisher=log.publisher,
        open_queue=log.open_queue,
        metrics=Metrics(size=log.published.size, timestamp=log.published_at, clock=time.time),
        checks=(log.check,),
    )


def _tell(line: str) -> None:
    click.echo(f"cvm-log: {line}", err=True)


def _listen(stack: ExitStack, address: str, option: str) -> tuple[socket.socket, str]:
    host, port = parse_address(address, option)
    listener = stack.enter_context(listen(host, port))
    return listener, shown_address(host, listener.getsockname()[1])
