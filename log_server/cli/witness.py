"""``cvm-log witness``: cosign the checkpoints of logs."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

import click

from log_server.cli.address import parse_address, shown_address
from log_server.server import listen
from log_server.witness.app import WitnessApp, encode_metadata
from log_server.witness.folder import create_witness, open_witness
from log_server.witness.server import WitnessServer
from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.note import VerificationKey, parse_vkey

__all__ = ["command"]


@click.group("witness")
def command() -> None:
    """Be a witness: cosign a log's checkpoint only if it extends the one cosigned last."""


@command.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the witness: a URL without schema.")
@click.option("--log", "vkeys", multiple=True, required=True, help="Key of a log; repeatable.")
@click.option("--ml-dsa", is_flag=True, help="Cosign with an ML-DSA-44 key too.")
def init(folder: Path, name: str, vkeys: tuple[str, ...], *, ml_dsa: bool) -> None:
    """Make a witness in DIR: new keys, and the logs that it cosigns for.

    Prints the Ed25519 verification key (vkey) for the policies of logs and clients, alone on
    stdout; that of ML-DSA-44 goes to stderr. More logs are lines "log VKEY" in DIR/logs.policy.
    """
    first, *others = create_witness(folder, name=name, logs=_parse_keys(vkeys), ml_dsa=ml_dsa)
    click.echo(str(first))
    for key in others:
        click.echo(f"cvm-log: key {key}", err=True)


@command.command("serve")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    "address",
    metavar="HOST:PORT",
    default="127.0.0.1:8081",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option("--url", help="Public prefix of this witness, for witness.v0.json.")
def serve(folder: Path, address: str, url: str | None) -> None:
    """Serve the witness in DIR: POST /add-checkpoint, GET /HASH/checkpoint, GET /witness.v0.json.

    Prints "listening on http://HOST:PORT" when it answers. SIGTERM and SIGINT end it after every
    request that was taken is answered.
    """
    host, port = parse_address(address, "--listen")
    with open_witness(folder) as opened, listen(host, port) as listener:
        place = f"http://{shown_address(host, listener.getsockname()[1])}"
        for key in opened.keys:
            click.echo(f"cvm-log: key {key}", err=True)
        for origin, size in opened.witness.sizes.items():
            click.echo(f"cvm-log: log {origin} cosigned at size {size}", err=True)
        application = WitnessApp(
            opened.witness,
            metadata=encode_metadata(keys=opened.keys, url=url or place),
            clock=lambda: datetime.now(UTC),
        )
        server = WitnessServer(
            listener,
            application=application,
            ready=lambda: click.echo(f"listening on {place}"),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run()


def _parse_keys(vkeys: tuple[str, ...]) -> tuple[VerificationKey, ...]:
    try:
        return tuple(map(parse_vkey, vkeys))
    except (ParseError, UnsupportedError) as error:
        raise click.BadParameter(str(error), param_hint="--log") from None
