"""How fast a log of our own is filled and examined, beside what bare hashing costs here.

    python benchmarks/fsck_log.py [--entries N] [--size BYTES]

Rows: entries per second that the sequencer makes durable and publishes (batches of 4,096, no
HTTP), entries per second of ``cvm-log fsck`` over the directory, as it prints it itself, and the
hashing alone: one leaf hash and one node hash an entry.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from log_server.log_folder import create_log, open_log
from verifier.tlog.merkle import leaf_hash, root_hash

BATCH = 4096
ROOT = Path(__file__).resolve().parents[1]


def fill(folder: Path, entries: list[bytes]) -> float:
    """Append all entries; seconds."""
    with open_log(folder) as log:
        start = time.perf_counter()
        for first in range(0, len(entries), BATCH):
            log.sequencer.commit(entries[first : first + BATCH], now=datetime.now(UTC))
        return time.perf_counter() - start


def examine(folder: Path, key: str) -> float:
    """Run ``cvm-log fsck``; its own figure of entries per second."""
    done = subprocess.run(
        [sys.executable, "-m", "log_server.cli", "fsck", str(folder), "--vkey", key],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    print(done.stderr.strip().splitlines()[-1])
    rate = re.search(r"([\d,_]+) entries/s", done.stderr)
    assert rate is not None, done.stderr
    return float(rate[1].replace(",", "").replace("_", ""))


def hash_alone(entries: list[bytes]) -> float:
    """Entries per second of leaf hashes and the tree above them."""
    start = time.perf_counter()
    root_hash(leaf_hash(entry) for entry in entries)
    return len(entries) / (time.perf_counter() - start)


def main() -> None:
    """Make a log in a temporary folder, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=300, help="bytes of an entry")
    asked = parser.parse_args()
    entries = [f"{number:0{asked.size}}".encode() for number in range(asked.entries)]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "log"
        key = str(create_log(folder, origin="benchmark.invalid/log", now=datetime.now(UTC)))
        filled = len(entries) / fill(folder, entries)
        examined = examine(folder, key)
    bare = hash_alone(entries)
    for name, rate in (("sequenced", filled), ("fsck", examined), ("hashing alone", bare)):
        print(f"{name:<14}{rate:>12,.0f} entries/s   x {rate / bare:.2f}")


if __name__ == "__main__":
    main()
