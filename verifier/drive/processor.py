"""The simulated secure processor as a process beside the machine: ``pipeline.platform serve``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.drive.programs import read_line, said_in, started
from verifier.errors import FetchError
from verifier.tlog.strict import parse_hex

__all__ = ["serving_processor"]

_SECONDS = 60.0
_MEASUREMENT_SIZE = 48


@contextmanager
def serving_processor(
    platform: Path, *, socket: Path, files: dict[str, Path], vcpus: int, vcpu_type: str
) -> Iterator[bytes]:
    """Run it over ``socket`` while the block runs; yields the launch measurement (48 bytes).

    It measures ``files`` (option to path), which are the very ones that the machine is given, with
    a program that is not ours. Raises FetchError if it does not start.
    """
    measured = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    command = (
        *(sys.executable, "-P", "-m", "pipeline.platform", "serve", str(platform)),
        *("--socket", str(socket), *measured),
        *("--vcpus", str(vcpus), "--vcpu-type", vcpu_type),
    )
    errors = socket.with_suffix(".errors")
    # Found beside the verifier, from an installation as from a source tree.
    where = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with started(command, user="", errors=errors, environment=where) as child:
        line = read_line(child, seconds=_SECONDS)
        if line is None:
            expected = "its measurement of the launch"
            raise FetchError("simulated processor", expected=expected, got=said_in(errors))
        yield parse_hex(line, what="simulated processor", size=_MEASUREMENT_SIZE)
