"""The only log of a role."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest

from pipeline.role import counts as module
from pipeline.role.counts import Counts
from tests.pipeline.roles import until


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_counts_are_written_at_the_end(tmp_path: Path) -> None:
    counts, log = Counts(("tokens",)), tmp_path / "log"
    counts.keep(log)
    counts.add("tokens")
    counts.add("tokens")
    counts.close()
    (line,) = lines(log)
    assert line["counts"] == {"answers": 0, "failures": 0, "refusals": 0, "tokens": 2}
    assert counts.read() == line["counts"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", str(line["minute"]))


def test_counts_are_written_when_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.02)
    counts, log = Counts(()), tmp_path / "log"
    counts.keep(log)
    until(lambda: lines(log))
    counts.add("answers")
    until(lambda: len(lines(log)) == 2)
    counts.close()
    assert len(lines(log)) == 2


def test_a_full_disk_ends_no_role_and_no_later_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.02)
    counts, before = Counts(()), set(threading.enumerate())
    counts.keep(Path("/dev/full"))  # every write fails with ENOSPC
    (writer,) = set(threading.enumerate()) - before
    time.sleep(0.1)
    counts.add_failure(ValueError())
    assert writer.is_alive()
    counts.close()
    assert counts.read()["failures"] == 1


def test_a_name_that_is_not_counted_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Counts(()).add("tokens")


def test_a_log_is_added_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"before": 1}\n')
    counts = Counts(())
    counts.keep(log)
    counts.close()
    counts.add_failure(ValueError("after the end"))
    assert [list(line) for line in lines(log)] == [["before"], ["counts", "minute"]]
