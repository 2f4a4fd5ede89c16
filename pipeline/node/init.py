#!/usr/bin/python3.13 -IS
"""PID 1 of the guest. Its whole work is to find the program in the image, and to start it.

The interpreter is started isolated and without ``site`` (-IS): neither the environment nor a folder
that is not named here can add code.
"""

from __future__ import annotations

import importlib
import sys

__all__ = ["CODE", "PACKAGES", "main"]

CODE = "/usr/lib/cvm"
PACKAGES = "/usr/lib/cvm/packages"


def main() -> None:
    """Hand over to ``pipeline.node.guest``, and never return."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, CODE)
    sys.path.append(PACKAGES)
    importlib.import_module("pipeline.node.guest").main()


if __name__ == "__main__":
    main()
