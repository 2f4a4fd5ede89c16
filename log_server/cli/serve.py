"""``cvm-log serve``: the log over HTTP."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import click

from log_server.cli.address import parse_address, shown_address
from log_server.floor import DISK_FLOOR
from log_server.log_folder import open_log
from log_server.metrics import Metrics
from log_server.notify import notify
from log_server.server import LogServer, listen
from verifier.release.entry import parse_entry

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
def command(
    folder: Path,
    address: str,
    *,
    metrics_address: str | None,
    disk_floor: int,
    witness_policy: Path | None,
) -> None:
    """Serve the log in DIR: C2SP tlog-tiles to read; /add, /v1/batch, /v1/entries to append.

    Prints "listening on http://HOST:PORT" when it answers. SIGTERM and SIGINT end it after
    everything that was taken is published and answered.
    """
    with ExitStack() as stack:
        log = stack.enter_context(
            open_log(folder, disk_floor=disk_floor, witness_policy=witness_policy)
        )
        listener, shown = _listen(stack, address, "--listen")
        metrics_listener = None
        if metrics_address is not None:
            metrics_listener, figures = _listen(stack, metrics_address, "--metrics")
            click.echo(f"cvm-log: figures on http://{figures}/metrics", err=True)
        for key in log.keys:
            click.echo(f"cvm-log: key {key}", err=True)
        click.echo(f"cvm-log: {log.journal}", err=True)
        click.echo(f"cvm-log: size {log.sequencer.head.tree.size}", err=True)
        head = log.sequencer.head
        metrics = Metrics(size=head.tree.size, timestamp=head.timestamp / 1000, clock=time.time)

        def ready() -> None:
            click.echo(f"listening on http://{shown}")
            notify("READY=1")

        server = LogServer(
            listener,
            sequencer=log.sequencer,
            publisher=log.publisher,
            parse_entry=parse_entry,
            ready=ready,
            keys=log.keys,
            metrics=metrics,
            require=log.sequencer.admission.require,
            metrics_listener=metrics_listener,
            checks=(log.sequencer.require_published,),
        )
        # The server raises the signal that ended it once more when it is done; a drained end is
        # success, not death by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run()


def _listen(stack: ExitStack, address: str, option: str) -> tuple[socket.socket, str]:
    host, port = parse_address(address, option)
    listener = stack.enter_context(listen(host, port))
    return listener, shown_address(host, listener.getsockname()[1])
