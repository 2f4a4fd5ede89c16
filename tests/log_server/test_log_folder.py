from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from log_server.errors import ConfigurationError, LockedError
from log_server.log_folder import create_log, open_log
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead


def test_an_empty_log(tmp_path: Path, now: datetime) -> None:
    key = create_log(tmp_path / "new" / "log", origin="log.test/two", now=now)
    root = tmp_path / "new" / "log"
    raw = (root / "public" / "checkpoint").read_bytes()
    assert open_checkpoint(raw, keys=(key,)).tree == TreeHead(0, EMPTY_ROOT)
    assert (root / "anchor").read_bytes() == raw
    assert (root / "log.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["log"]
    with open_log(root) as log:
        assert (log.keys, log.sequencer.head.tree.size) == ((key,), 0)
        assert log.journal.startswith("sqlite 3.")


def test_an_empty_directory_may_become_a_log(tmp_path: Path, now: datetime) -> None:
    create_log(tmp_path, origin="log.test/two", now=now)
    assert (tmp_path / "log.key").exists()


def test_an_existing_log_is_left_alone(log_root: Path, now: datetime) -> None:
    key = (log_root / "log.key").read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        create_log(log_root, origin="log.test/two", now=now)
    assert caught.value.what == str(log_root)
    assert caught.value.expected == "a new or empty directory"
    assert (log_root / "log.key").read_bytes() == key


def test_a_bad_name_leaves_nothing_behind(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_log(tmp_path / "log", origin="two words", now=now)
    assert caught.value.what == "name of the log"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught, open_log(tmp_path):
        pytest.fail("the log opened")
    assert (caught.value.expected, caught.value.got) == ("the directory of a log", "no log.db")
    assert list(tmp_path.iterdir()) == []


def test_one_program_at_a_time(log_root: Path) -> None:
    with open_log(log_root):
        with pytest.raises(LockedError) as caught, open_log(log_root):
            pytest.fail("the log opened twice")
        assert caught.value.got == "a running server or publisher holds it"
    with open_log(log_root):
        pass
