"""What an evil twin lives in: keys, a log, a release, and CVMs as processes on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import making
from tests.key_documents import OPERATOR, keys_section
from tests.pipeline.roles import PathKeys
from tests.running import ROOT
from tests.verifier.drive.deployed import LOOPBACK, MEASUREMENT, _port, _running, write_platform
from verifier.roots.snp_root import SnpRoot

__all__ = ["OTHER_MEASUREMENT", "Address", "Cvm", "World", "make_world", "running_cvm"]

OTHER_MEASUREMENT = b"\xa5" * 48
"""Of a program that is in no release."""

Address = tuple[str, int]

_CONFIGURATIONS = ("gateway", "issuer")
_REQUIRE = ("evidence", "keys", "log", "release")


@dataclass(frozen=True)
class World:
    """Everything that is published, in ``folder``; ``root`` is that of every processor here."""

    folder: Path
    keys: PathKeys
    log: making.Log
    root: SnpRoot

    @property
    def entry(self) -> bytes:
        return self.log.entries[1]

    @property
    def measurement(self) -> bytes:
        return MEASUREMENT

    @property
    def logged(self) -> tuple[Path, ...]:
        """The folders of the key configurations: the gateway's, and the issuer's."""
        return tuple(self.folder / "logged" / name for name in _CONFIGURATIONS)

    @property
    def policy(self) -> bytes:
        """The text of the policy of whoever drives."""
        rules = making.policy(self.log, require=_REQUIRE, report_data="session")
        return rules + keys_section()


def make_world(folder: Path, keys: PathKeys) -> World:
    """Log a release and the configurations of ``keys``, and write what roles and nodes read."""
    statements = [
        json.loads((keys.folder / "key-configuration" / f"{name}.json").read_bytes())
        for name in _CONFIGURATIONS
    ]
    release = making.entry(making.statement(MEASUREMENT))
    configurations = [making.entry(each, by=OPERATOR) for each in statements]
    log = making.Log((b"another", release, *configurations))
    world = World(folder, keys, log, write_platform(folder / "platform"))
    for index, place in enumerate(world.logged, 2):
        place.mkdir(parents=True)
        (place / "entry.json").write_bytes(log.entries[index])
        (place / "entry.tlog-proof").write_bytes(log.proof(index))
    guest_policy = {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": f"log {log.key}\nquorum none\n",
        "publishers": [str(making.PUBLISHER.key.vkey)],
        "publisherThreshold": 1,
        "listen": 8443,
    }
    (folder / "guest-policy.json").write_text(json.dumps(guest_policy))
    (folder / "entry.json").write_bytes(world.entry)
    return world


@dataclass(frozen=True)
class Cvm:
    """A node on a simulated processor that measured what it was told to.

    ``console`` is the file that its host reads, ``process_id`` that of its program.
    """

    address: Address
    console: Path
    process_id: int


@contextlib.contextmanager
def running_cvm(
    world: World,
    folder: Path,
    *,
    module: str = "pipeline.node",
    measurement: bytes = MEASUREMENT,
    proof_of: int = 1,
    more: tuple[str, ...] = (),
) -> Iterator[Cvm]:
    """Run ``module`` as the program of a CVM, with ``more`` arguments, and files in ``folder``.

    It is handed the release, which is entry 1 of the log, and the proof of entry ``proof_of``.
    """
    folder.mkdir(exist_ok=True)
    state, console, shown = folder / "state", folder / "console", folder / "proof"
    state.unlink(missing_ok=True)
    shown.write_bytes(world.log.proof(proof_of))
    # Relative, because the address of a Unix socket has room for 107 bytes.
    socket = os.path.relpath(folder / "p", ROOT)
    serve = ("serve", str(world.folder / "platform"), "--socket", socket)
    options = {
        "--processor-socket": socket,
        "--entry": str(world.folder / "entry.json"),
        "--proof": str(shown),
        "--guest-policy": str(world.folder / "guest-policy.json"),
        "--listen": f"{LOOPBACK}:0",
        "--state-file": str(state),
    }
    words = [word for pair in options.items() for word in pair]
    (folder / "p").unlink(missing_ok=True)
    with _running("pipeline.platform", *serve, "--measurement", measurement.hex()) as processor:
        assert processor.stdout is not None
        assert processor.stdout.readline().strip() == measurement.hex()
        with _shown_on(console, module, *words, *more) as node:
            yield Cvm((LOOPBACK, _port(state, node)), console, node.pid)


@contextlib.contextmanager
def _shown_on(console: Path, module: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *words]
    with (
        console.open("a") as output,
        subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True) as node,
    ):
        try:
            yield node
        finally:
            node.kill()
