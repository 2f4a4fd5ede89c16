"""``python -m pipeline.image``: fetch the pinned inputs and build the guest image."""

from __future__ import annotations

import signal
import sys

from pipeline.image.cli import main

if __name__ == "__main__":
    # As an exception, so that what was begun is put away, and what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
