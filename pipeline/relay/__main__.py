"""``python -m pipeline.relay``."""

from __future__ import annotations

from pipeline.relay.cli import main

if __name__ == "__main__":
    main()
