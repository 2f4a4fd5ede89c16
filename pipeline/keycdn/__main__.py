"""``python -m pipeline.keycdn``."""

from __future__ import annotations

from pipeline.keycdn.cli import main

if __name__ == "__main__":
    main()
