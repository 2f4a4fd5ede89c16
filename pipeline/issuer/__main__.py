"""``python -m pipeline.issuer``."""

from __future__ import annotations

from pipeline.issuer.cli import main

if __name__ == "__main__":
    main()
