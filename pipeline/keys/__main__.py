"""``python -m pipeline.keys``."""

from __future__ import annotations

from pipeline.keys.cli import main

if __name__ == "__main__":
    main()
