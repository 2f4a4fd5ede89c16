"""A node as an ordinary process: the same server as in a guest, with sockets for its ports.

It proves nothing about a machine: there is no measured boot. ``argparse`` and not click, because
it also runs from the unpacked image, which holds nothing that a guest does not need.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from pipeline.node.channel import Channel
from pipeline.node.evidence_source import SimulatedProcessor
from pipeline.node.guest_policy import MAX_GUEST_POLICY, parse_guest_policy
from pipeline.node.node import Handover, prepare, receive_handover, refusal_line, run
from verifier.errors import AuditError, FetchError
from verifier.release.dsse import MAX_ENVELOPE
from verifier.tlog.proof import MAX_PROOF_SIZE
from verifier.tlog.strict import parse_decimal

__all__ = ["main"]

_REFUSED = 1  # exit code


def main(arguments: list[str] | None = None) -> int:
    """Serve until killed; 1 if the node refuses or cannot serve, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    with options.state_file.open("a", encoding="ascii") as state:

        def announce(line: str) -> None:
            state.write(line)
            state.flush()

        try:
            policy = parse_guest_policy(_read(options.guest_policy, MAX_GUEST_POLICY))
            source = SimulatedProcessor(_connect(options.processor_socket, "processor"))
            server = prepare(policy=policy, source=source, handover=_handover(options))
        except AuditError as error:
            announce(refusal_line(error))
            sys.stderr.write(f"{error}\n")
            return _REFUSED
        try:
            run(server, address=options.listen, announce=announce)
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            return _REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.node",
        description="The guest's server as a process, on a SIMULATED secure processor.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--processor-socket", type=Path, required=True, help="Unix socket of the processor")
    add("--release-socket", type=Path, help="Unix socket that gives the entry and its proof")
    add("--entry", type=Path, help="file of the release entry, instead of --release-socket")
    add("--proof", type=Path, help="file of its .tlog-proof, with --entry")
    add("--guest-policy", type=Path, required=True, help="file of the guest policy")
    add("--listen", type=_address, required=True, help="HOST:PORT; port 0 lets the system choose")
    add("--state-file", type=Path, required=True, help="gets READY or REFUSED, one line each")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        number = parse_decimal(port, what="port", maximum=65_535)
    except AuditError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not host:
        raise argparse.ArgumentTypeError("HOST:PORT expected")
    return host, number


def _handover(options: argparse.Namespace) -> Handover:
    files = (options.entry, options.proof)
    if options.release_socket is not None and files == (None, None):
        return receive_handover(_connect(options.release_socket, "release"))
    if options.release_socket is None and None not in files:
        return Handover(_read(files[0], MAX_ENVELOPE), _read(files[1], MAX_PROOF_SIZE))
    raise FetchError("release", expected="--release-socket, or --entry and --proof", got="neither")


def _connect(path: Path, what: str) -> Channel:
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(str(path))
    except OSError as error:
        got = error.strerror or "an error"
        raise FetchError(what, expected=f"a listener on {path}", got=got) from error
    peer.setblocking(False)
    return Channel(peer.detach(), what=what, ends=True)


def _read(path: Path, most: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        got = error.strerror or "an error"
        raise FetchError(str(path), expected="a file", got=got) from error
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FetchError(str(path), expected=f"at most {most} bytes", got="more")
    return content
