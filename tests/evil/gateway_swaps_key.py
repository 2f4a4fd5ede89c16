"""A gateway that has another key than the one that was logged and is given to everyone."""

from __future__ import annotations

import secrets
from pathlib import Path

from pipeline.gateway import cli
from pipeline.gateway.keys import SUITES, read_gateway_key
from verifier.wire.ohttp import SECRET_SIZE, GatewayKey, gateway_key

__all__ = ["corrupt"]


def another_key(folder: Path) -> GatewayKey:
    """A key made now, under the next number."""
    key_id = (read_gateway_key(folder).public.key_id + 1) % 256
    return gateway_key(key_id=key_id, secret=secrets.token_bytes(SECRET_SIZE), suites=SUITES)


def corrupt() -> None:
    """Let the gateway of this process be the twin."""
    vars(cli)["read_gateway_key"] = another_key


if __name__ == "__main__":
    corrupt()
    cli.main()
