"""Several programs that serve one log: front ends, and one of them elected to be the sequencer."""

from __future__ import annotations

__all__: list[str] = []
