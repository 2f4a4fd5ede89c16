"""``python -m verifier`` is ``cvm-audit``."""

from __future__ import annotations

from verifier.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
