"""Arguments of the roles as ``click`` reads them: addresses, URLs, and what every role takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from pipeline.role.rights import MAX_UID
from verifier.errors import AuditError
from verifier.tlog.strict import parse_decimal

__all__ = ["ADDRESS", "FILE", "FOLDER", "URL", "Address", "RoleOptions", "role_options"]

_F = TypeVar("_F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; its text is ``HOST:PORT``, with brackets around an IPv6 address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _AddressType(click.ParamType[Address]):
    name = "HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        host, colon, port = str(value).rpartition(":")
        try:
            number = parse_decimal(port, what="port", maximum=65_535)
        except AuditError as error:
            self.fail(str(error), param, ctx)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            self.fail("an IPv6 address stands in brackets", param, ctx)
        if not host or not colon:
            self.fail("HOST:PORT expected", param, ctx)
        return Address(host, number)


class _UrlType(click.ParamType[str]):
    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        url = str(value)
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or parts.username is not None:
            self.fail("an http or https URL of host, port and path expected", param, ctx)
        return url


ADDRESS = _AddressType()
URL = _UrlType()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOptions:
    """What every role takes: where it listens and writes, who it becomes, with whom it ends."""

    listen: Address
    log: Path
    uid: int | None
    parent: int | None


def role_options(command: _F) -> _F:
    """Add ``--listen``, ``--log``, ``--uid`` and ``--parent``, as keyword arguments."""
    for option in (
        click.option("--parent", type=click.IntRange(1), help="End with this parent process."),
        click.option("--uid", type=click.IntRange(1, MAX_UID), help="Become this user, as root."),
        click.option(
            "--log",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="File that gets the counts, a line a minute.",
        ),
        click.option(
            "--listen", required=True, type=ADDRESS, help="Port 0 lets the system choose."
        ),
    ):
        command = option(command)
    return command
