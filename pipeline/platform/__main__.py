"""``python -m pipeline.platform``: make a simulated platform, and let it sign reports."""

from __future__ import annotations

from pipeline.platform.cli import main

if __name__ == "__main__":
    main()
