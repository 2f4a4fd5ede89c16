"""``python -m pipeline.node``: the guest's server as a process."""

from __future__ import annotations

import sys

from pipeline.node.cli import main

if __name__ == "__main__":
    sys.exit(main())
