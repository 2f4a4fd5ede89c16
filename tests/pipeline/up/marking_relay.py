"""A relay that tells the gateway who its client is: what a module for ``--replace`` looks like."""

from __future__ import annotations

from pipeline.relay import forwarding
from pipeline.relay.cli import main

if __name__ == "__main__":
    forwarding._FIELDS["X-Client"] = "alice"
    main()
