"""The judge: parses, authenticates and appraises evidence. Offline but for ``fetch``."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
