"""Shared fixtures. The genuine vectors are read in place, never copied into the project.

No test reaches beyond this machine: an audit hook refuses it, whatever library tries. It cannot
see child processes; those that tests start are this project's own programs on loopback.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgresql import Cluster, cluster, postgresql_is_owed, programs

# A run that decides about a change looks at the same examples every time, on however busy a
# machine; every other run looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

_VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"
_ADDRESSED = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind")
_RESOLVED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


class NetworkUsedError(AssertionError):
    """A test tried to reach another machine. Not an OSError: nothing may take it for weather."""


class _Network:
    """What the audit hook, which can never be removed, refuses at the moment."""

    loopback_allowed = True


def _is_local(host: object) -> bool:
    if host in ("", None, "localhost", b"localhost", "testserver"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback  # type: ignore[arg-type] # else ValueError
    except ValueError:
        return False


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event in _ADDRESSED:
        address = arguments[1]
        if not isinstance(address, tuple):
            return  # a Unix socket's path, or sendmsg on a connected socket
        host: object = address[0]
    elif event in _RESOLVED:
        host = arguments[0]
    else:
        return
    if not (_Network.loopback_allowed and _is_local(host)):
        raise NetworkUsedError(f"{event} to {host!r}")


sys.addaudithook(_refuse_network)


@pytest.fixture
def offline() -> Iterator[None]:
    """Refuse loopback too, for tests of what must not open a connection at all."""
    _Network.loopback_allowed = False
    yield
    _Network.loopback_allowed = True


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of genuine evidence and public test vectors that lies beside the checkout.

    ``CVM_AUDIT_VECTORS`` names another folder. In CI its absence is a failure, so that no gate
    goes green without it, unless ``CVM_AUDIT_NO_VECTORS=1`` says that it cannot be there.
    """
    folder = Path(os.environ.get("CVM_AUDIT_VECTORS", _VECTORS))
    if not folder.is_dir():
        reason = f"no test vectors at {folder}; set CVM_AUDIT_VECTORS"
        if vectors_are_owed(os.environ):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def vectors_are_owed(environment: Mapping[str, str]) -> bool:
    """Whether their absence is a failure."""
    return bool(environment.get("CI")) and environment.get("CVM_AUDIT_NO_VECTORS") != "1"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL cluster of our own. In CI its absence is a failure."""
    binaries = programs()
    if binaries is None:
        reason = "no PostgreSQL on this machine: apt-get install postgresql"
        if postgresql_is_owed(os.environ):
            pytest.fail(reason)
        pytest.skip(reason)
    with cluster(binaries) as running:
        yield running
