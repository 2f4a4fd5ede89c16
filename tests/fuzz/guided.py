"""One parser under atheris, which sees the branches that an input takes; run by fuzz_parsers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

# Only what is imported here is watched.
with atheris.instrument_imports(include=["verifier"]):
    from tests.fuzz.fuzz_parsers import MEMORY, SECONDS_FOR_ONE
    from tests.fuzz.parsers import corpus, parsers

    PARSERS = parsers()


def main() -> None:
    """Fuzz the parser; libFuzzer ends the process."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("name")
    arguments.add_argument("--seconds", type=int)
    given = arguments.parse_args()
    parser = PARSERS[given.name]
    seeds = corpus(parser)

    def one(data: bytes) -> None:
        parser(data)

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={given.seconds}",
            f"-timeout={SECONDS_FOR_ONE}",
            f"-rss_limit_mb={MEMORY // 2**20}",
            f"-malloc_limit_mb={MEMORY // 2**22}",
            f"-max_len={max(4096, 2 * max(map(len, seeds)))}",
            f"-artifact_prefix={tempfile.gettempdir()}/{given.name}-",
        ]
        atheris.Setup([sys.argv[0], *options, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
