"""``python -m pipeline.image``: fetch the pinned inputs and build the guest image."""

from __future__ import annotations

import sys

from pipeline.image.cli import main

if __name__ == "__main__":
    sys.exit(main())
