"""The command line that starts the path: ``python -m pipeline.up --dir D --keys K …``."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from pipeline.role.options import ADDRESS, FOLDER, Address
from pipeline.role.rights import MAX_UID
from pipeline.up.deployment import (
    FILE_NAME,
    Names,
    encode_deployment,
    read_names,
    write_deployment,
)
from pipeline.up.running import Role, start_role, stop_roles, watch_roles
from verifier.errors import AuditError, FetchError

__all__ = ["FIRST_UID", "ROLES", "main"]

ROLES = ("keycdn", "issuer", "gateway", "relay")
"""In the order of their start; the user of each is that of the first and its place."""

FIRST_UID = 61_184
"""Users that no account has: the first of those that systemd gives to services for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    directory: Path
    keys: Path
    logged: tuple[Path, ...]
    cvms: tuple[Address, ...]
    gateway_at: Address | None
    listen: Mapping[str, str]
    modules: Mapping[str, str]
    first_uid: int | None

    def arguments(self, name: str, names: Names, started: Mapping[str, Role]) -> list[str]:
        """What the role ``name`` is started with; ``started`` are those before it."""
        own: dict[str, Callable[[], list[str]]] = {
            "keycdn": lambda: [f"--logged={folder.resolve()}" for folder in self.logged],
            "issuer": lambda: [
                f"--key={self.keys.resolve() / 'issuer'}",
                f"--accounts={self.keys.resolve() / 'issuer' / 'accounts'}",
                "--issued=issued.sqlite",
            ],
            "gateway": lambda: [
                f"--key={self.keys.resolve() / 'gateway'}",
                f"--issuer-key={self.keys.resolve() / 'key-configuration' / 'issuer-key.der'}",
                f"--issuer-name={names.issuer_name}",
                f"--authority={names.authority}",
                "--spent=spent.sqlite",
                *(f"--cvm={cvm}" for cvm in self.cvms),
            ],
            "relay": lambda: [f"--gateway=http://{self.gateway_at or started['gateway'].address}/"],
        }
        uid = [] if self.first_uid is None else [f"--uid={self.first_uid + ROLES.index(name)}"]
        return [*own[name](), f"--listen={self.listen.get(name, '127.0.0.1:0')}", *uid]


def _by_role(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    chosen = dict(value.partition("=")[::2] for value in values)
    if len(chosen) != len(values) or not set(chosen) <= set(ROLES) or "" in chosen.values():
        message = f"ROLE=VALUE once a role, with ROLE one of {', '.join(ROLES)}"
        raise click.BadParameter(message, param=parameter)
    return chosen


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for what the roles write; made if it is not there.",
)
@click.option("--keys", type=FOLDER, required=True, help="What `pipeline.keys init` made.")
@click.option(
    "--logged",
    type=FOLDER,
    required=True,
    multiple=True,
    help="Folder with entry.json and entry.tlog-proof of a key configuration; repeatable.",
)
@click.option("--cvm", "cvms", type=ADDRESS, required=True, multiple=True, help="Repeatable.")
@click.option("--gateway-at", type=ADDRESS, help="Address of the gateway that the relay is told.")
@click.option(
    "--listen", multiple=True, callback=_by_role, help="ROLE=HOST:PORT. Default: 127.0.0.1:0."
)
@click.option(
    "--replace",
    "modules",
    multiple=True,
    callback=_by_role,
    help="ROLE=MODULE: run this module as the role.",
)
@click.option(
    "--first-uid",
    type=click.IntRange(1, MAX_UID + 1 - len(ROLES)),
    default=FIRST_UID,
    show_default=True,
    help="As root: the users that the roles become are this one and the next three.",
)
@click.option("--same-user", is_flag=True, help="As root: let the roles stay root.")
def main(*, first_uid: int, same_user: bool, **options: Any) -> None:
    """Start key CDN, issuer, gateway and relay, write deployment.json, and wait.

    Ends with 0 when told to (SIGTERM, Ctrl-C), and with 1 when a role ends by itself.
    """
    lowered = os.geteuid() == 0 and not same_user
    plan = _Plan(first_uid=first_uid if lowered else None, **options)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(plan.directory):
            _run(plan)
    except KeyboardInterrupt:
        pass
    except (AuditError, OSError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep others out, who would take away what is said of our roles. Raises FetchError."""
    with (directory / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what, expected = str(directory), "a folder that no other path runs in"
            raise FetchError(what, expected=expected, got="one does") from None
        yield


def _run(plan: _Plan) -> NoReturn:
    """Ends with KeyboardInterrupt when told to. Raises FetchError, ParseError and OSError."""
    roles: dict[str, Role] = {}
    deployment = plan.directory / FILE_NAME
    try:
        deployment.unlink(missing_ok=True)
        _start(plan, roles)
        click.echo(f"READY {deployment}")
        message = watch_roles(list(roles.values()))
        raise FetchError("path", expected="every role", got=message)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        with suppress(OSError):  # whatever is there: the roles are to stop
            deployment.unlink()
        stop_roles(list(roles.values()))


def _start(plan: _Plan, roles: dict[str, Role]) -> None:
    names = read_names(plan.keys / "path.json")
    for name in ROLES:
        roles[name] = start_role(
            name,
            plan.modules.get(name, f"pipeline.{name}"),
            plan.arguments(name, names, roles),
            folder=plan.directory.resolve() / name,
        )
    write_deployment(plan.directory / FILE_NAME, encode_deployment(names, roles))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
