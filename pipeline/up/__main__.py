"""``python -m pipeline.up``."""

from __future__ import annotations

from pipeline.up.cli import main

if __name__ == "__main__":
    main()
