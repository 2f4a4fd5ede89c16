"""``python -m pipeline.gateway``."""

from __future__ import annotations

from pipeline.gateway.cli import main

if __name__ == "__main__":
    main()
