"""The database of a log: ``contract`` says what is asked, ``sqlite`` and ``postgresql`` answer."""

from __future__ import annotations

__all__: list[str] = []
