"""``cvm-log serve``: the log over HTTP."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from log_server.log_folder import open_log
from log_server.server import LogServer, listen
from verifier.errors import ParseError
from verifier.release.entry import parse_entry
from verifier.tlog.strict import parse_decimal

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
def command(folder: Path, address: str) -> None:
    """Serve the log in DIR: C2SP tlog-tiles to read, POST /add and /v1/entries to append.

    Prints "listening on http://HOST:PORT" when it answers. SIGTERM and SIGINT end it after
    everything that was taken is published and answered.
    """
    host, port = _parse_address(address)
    with open_log(folder) as log, listen(host, port) as listener:
        for key in log.keys:
            click.echo(f"cvm-log: key {key}", err=True)
        click.echo(f"cvm-log: {log.journal}", err=True)
        click.echo(f"cvm-log: size {log.sequencer.head.tree.size}", err=True)
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host

        def ready() -> None:
            click.echo(f"listening on http://{shown}:{bound}")

        server = LogServer(
            listener,
            sequencer=log.sequencer,
            publisher=log.publisher,
            parse_entry=parse_entry,
            ready=ready,
        )
        # The server raises the signal that ended it once more when it is done; a drained end is
        # success, not death by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run()


def _parse_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        number = parse_decimal(port, what="port", maximum=65535)
    except ParseError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None
    if not host or not colon:
        message = f"{text}: expected HOST:PORT"
        raise click.BadParameter(message, param_hint="--listen")
    return host, number
