"""The fixtures of the log's own tests."""

from __future__ import annotations

from tests.log_server.conftest import log_key, log_root, now, serving

__all__ = ["log_key", "log_root", "now", "serving"]
