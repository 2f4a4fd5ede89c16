"""``python -m log_server.cli``."""

from __future__ import annotations

from log_server.cli.app import main

__all__: list[str] = []

main()
