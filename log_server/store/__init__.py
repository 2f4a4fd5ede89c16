"""The database of a log: ``contract`` says what is asked, ``sqlite`` answers it."""

from __future__ import annotations

__all__: list[str] = []
