"""Shared fixtures. The genuine vectors are read in place, never copied into the project.

No test reaches beyond this machine: an audit hook refuses it, whatever library tries. It cannot
see child processes; those that tests start are this project's own programs on loopback.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from tests.image_inputs import image_is_left_out, image_is_owed, input_store
from tests.postgresql import Cluster, cluster, postgresql_is_owed, programs
from tests.running import ROOT

if TYPE_CHECKING:  # imports most of the project, which few tests need
    from tests.deployment import LoggedImage

# A run that decides about a change looks at the same examples every time, on however busy a
# machine; every other run looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

# A shell starts what runs in its background without Ctrl-C, and every child inherits that. Tests
# that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture(scope="session")
def reference_image(image_store: Path, tmp_path_factory: pytest.TempPathFactory) -> LoggedImage:
    """The image of this tree, built from the inputs of its lock, released and logged."""
    from tests.deployment import InputsMissingError, build_image, log_image

    folder = tmp_path_factory.mktemp("reference-image")
    try:
        # It boots faster with byte code; the evil images are without.
        more = () if shutil.which("bwrap") is None else ("--byte-code",)
        build_image(ROOT, folder / "artifacts", store=image_store, more=more)
    except InputsMissingError as error:
        _no_image(f"{image_store} lacks inputs, run make inputs: {error}")
    return log_image(folder)


@pytest.fixture(scope="session")
def image_store() -> Path:
    """The inputs of the lock, which ``make inputs`` fetches. In CI their absence is a failure.

    ``CVM_AUDIT_IMAGE_STORE`` names another folder. ``CVM_AUDIT_NO_IMAGE=1`` leaves the tests out
    that build or boot the image, in CI too.
    """
    if image_is_left_out(os.environ):
        pytest.skip("CVM_AUDIT_NO_IMAGE=1")
    folder = input_store(os.environ)
    if not folder.is_dir():
        _no_image(f"no inputs of the image at {folder}: run make inputs")
    return folder


@pytest.fixture(scope="session")
def qemu() -> str:
    """The program that boots. In CI its absence is a failure."""
    return _installed("qemu-system-x86_64", package="qemu-system-x86")


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """The program that makes sandboxes. In CI its absence is a failure."""
    return _installed("bwrap", package="bubblewrap")


def _installed(program: str, *, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        _no_image(f"no {program} on this machine: apt-get install {package}")
    return path


def _no_image(reason: str) -> NoReturn:
    if image_is_owed(os.environ):
        pytest.fail(reason)
    pytest.skip(reason)
