"""HOST:PORT as an option."""

from __future__ import annotations

import click

from verifier.errors import ParseError
from verifier.tlog.strict import parse_decimal

__all__ = ["parse_address", "shown_address"]


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Host and port; brackets round an IPv6 address go. Raises BadParameter about ``option``."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        number = parse_decimal(port, what="port", maximum=65535)
    except ParseError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if not host or not colon:
        message = f"{text}: expected HOST:PORT"
        raise click.BadParameter(message, param_hint=option)
    return host, number


def shown_address(host: str, port: int) -> str:
    """As it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
