"""The private path as a process of this machine, with a tap between any two of its programs.

``python -m pipeline.up`` is started as anybody would start it, and talked to over the network. The
keys that it is given are copies, with accounts of the drive's own: what belongs to the operator is
only read.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.client.deployment import MAX_DEPLOYMENT, Deployment, parse_deployment
from verifier.client.transport import Address
from verifier.client.web import Url, parse_url
from verifier.drive.lab import CVM_HOPS, HOPS, LocalRole
from verifier.drive.programs import read_line, said_in, started
from verifier.drive.tap import Tap, tapping
from verifier.drive.workplace import workplace
from verifier.errors import FetchError
from verifier.files import read_file

__all__ = ["ACCOUNTS", "TAP_LIMIT", "RunningPath", "running_path"]

ACCOUNTS = 2
"""How many accounts with the issuer a drive has: two clients must not be one person."""

TAP_LIMIT = 64 * 1024 * 1024
"""Most bytes that a tap records; a drive needs a few of these millions."""

_READY = "READY "
_START_SECONDS, _STOP_SECONDS = 120.0, 15.0
_KEY_SECONDS = 60.0
_TOKENS_A_DAY = 1_000_000
_BEARER = re.compile(r"[0-9a-f]{32,64}")
_WHERE = {"PYTHONPATH": str(Path(__file__).parents[2])}  # as an installation, or a source tree
_SECRETS = {"gateway": "gateway/ohttp-key.json", "issuer": "issuer/token-key.pem"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPath:
    """A path that runs. ``deployment`` is what a client is told, with taps in place of roles.

    ``bearers`` are the secrets of our accounts; ``keys`` is the folder with the keys of the roles.
    """

    deployment: Deployment
    taps: Mapping[str, Tap]
    roles: tuple[LocalRole, ...]
    bearers: tuple[str, ...]
    keys: Path

    def secrets_of_roles(self) -> Mapping[str, bytes]:
        """The long-lived private keys of the roles, by role."""
        return {role: (self.keys / name).read_bytes() for role, name in _SECRETS.items()}


@contextmanager
def running_path(
    keys: Path,
    logged: Sequence[Path],
    *,
    cvms: Sequence[Address],
    replaced: Mapping[str, str],
) -> Iterator[RunningPath]:
    """Start the path in front of ``cvms`` while the block runs; ``replaced`` maps role to module.

    Raises FetchError for what does not start, ParseError for a deployment that cannot be read.
    """
    with workplace("") as place, ExitStack() as stack:
        taps = {hop: stack.enter_context(tapping(limit=TAP_LIMIT)) for hop in HOPS}
        for hop, cvm in zip(CVM_HOPS, cvms, strict=True):
            taps[hop].forward_to(cvm)
        copies = place.folder / "keys"
        bearers = _copied(keys, copies, errors=place.folder / "keys.errors")
        words = (
            *("--dir", str(place.folder / "path"), "--keys", str(copies)),
            *(word for folder in logged for word in ("--logged", str(folder.resolve()))),
            *(word for hop in CVM_HOPS for word in ("--cvm", _text(taps[hop].address))),
            *("--gateway-at", _text(taps["relay-gateway"].address)),
            *(word for pair in replaced.items() for word in ("--replace", "=".join(pair))),
        )
        written = stack.enter_context(_up(words, errors=place.folder / "path.errors"))
        deployment = parse_deployment(read_file(written, limit=MAX_DEPLOYMENT))
        yield RunningPath(
            deployment=_tapped(deployment, taps),
            taps=taps,
            roles=_local(deployment),
            bearers=bearers,
            keys=copies,
        )


def _copied(keys: Path, copies: Path, *, errors: Path) -> tuple[str, ...]:
    """Copy the keys, and make accounts in the copy; their secrets."""
    try:
        shutil.copytree(keys, copies)
        copies.chmod(0o700)
    except (OSError, shutil.Error) as error:
        got = str(error)[:200]
        raise FetchError(str(keys), expected="a folder of pipeline.keys init", got=got) from None
    return tuple(_account(copies, errors) for _ in range(ACCOUNTS))


def _account(keys: Path, errors: Path) -> str:
    name = f"drive-{secrets.token_hex(8)}"
    words = ("account", str(keys), name, "--per-day", str(_TOKENS_A_DAY))
    with started(_module("pipeline.keys", *words), user="", errors=errors, environment=_WHERE) as (
        child
    ):
        bearer = read_line(child, seconds=_KEY_SECONDS)
    if bearer is None or _BEARER.fullmatch(bearer) is None:
        got = said_in(errors)
        raise FetchError("pipeline.keys", expected="the secret of an account", got=got)
    return bearer


@contextmanager
def _up(words: Sequence[str], *, errors: Path) -> Iterator[Path]:
    """The path while the block runs; yields where its ``deployment.json`` is."""
    command = _module("pipeline.up", *words)
    with started(command, user="", errors=errors, environment=_WHERE) as child:
        try:
            line = read_line(child, seconds=_START_SECONDS)
            if line is None or not line.startswith(_READY):
                expected = "every role of the path to start"
                raise FetchError("pipeline.up", expected=expected, got=said_in(errors))
            yield Path(line.removeprefix(_READY))
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """In order, so that every role says goodbye; what does not stop is killed by ``started``."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_SECONDS)


def _module(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", name, *words)


def _tapped(deployment: Deployment, taps: Mapping[str, Tap]) -> Deployment:
    """The deployment as clients are told of it; the taps forward to what it says itself."""
    for role in deployment.roles:
        if role.role == "gateway":
            host, _, port = role.address.rpartition(":")
            gateway = parse_url(f"http://{host}:{port}", what="gateway")
            taps["relay-gateway"].forward_to((gateway.host, gateway.port))
    return replace(
        deployment,
        relay=_through(deployment.relay, taps["client-relay"]),
        issuer=_through(deployment.issuer, taps["client-issuer"]),
        key_cdn=_through(deployment.key_cdn, taps["client-keycdn"]),
    )


def _through(url: Url, tap: Tap) -> Url:
    tap.forward_to((url.host, url.port))
    return replace(url, host=tap.address[0], port=tap.address[1])


def _local(deployment: Deployment) -> tuple[LocalRole, ...]:
    return tuple(
        LocalRole(name=role.role, pid=role.pid, log=Path(role.log), directory=Path(role.directory))
        for role in deployment.roles
    )


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
