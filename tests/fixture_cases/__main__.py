"""``python -m tests.fixture_cases [--write]``: hold fixtures/ against its cases, or write them."""

from __future__ import annotations

import argparse
import sys

from tests.fixture_cases.tree import FIXTURES, differences, made_tree, write_tree


def main() -> int:
    """Exit 0 if nothing differs, or everything was written; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fixture_cases")
    parser.add_argument("--write", action="store_true", help="write what differs")
    write = parser.parse_args().write
    made = made_tree()
    found = differences(made)
    for line in found:
        sys.stdout.write(f"{line}\n")
    if write:
        write_tree(made)
        sys.stdout.write(f"{len(found)} files written below {FIXTURES}\n")
    return 0 if write or not found else 1


if __name__ == "__main__":
    sys.exit(main())
