"""The record: an append-only transparency log. Not trusted by the judge."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
