"""Steps are told as they come; whoever has no terminal hears that the last one goes on."""

from __future__ import annotations

import sys
import time

import pytest

from verifier.cli import telling as module
from verifier.cli.telling import tell, telling

BEAT = 0.05


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_step_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    tell("one\nVERIFIED")
    (line,) = told(capsys)
    assert line.startswith("cvm-audit: one")


def test_a_long_step_is_told_again_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with telling(beat=BEAT) as say:
        time.sleep(4 * BEAT)  # nothing was said yet, so nothing goes on
        assert told(capsys) == []
        say("x" * 100)
        time.sleep(10 * BEAT)
    first, *beats = told(capsys)
    assert first == f"cvm-audit: {'x' * 100}"
    assert set(beats) == {f"cvm-audit: {'x' * 57}...: goes on, 0 s"}
    assert len(beats) >= 2
    time.sleep(4 * BEAT)
    assert told(capsys) == []


def test_at_a_terminal_there_is_no_heartbeat(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with telling(beat=BEAT) as say:
        say("one")
        time.sleep(6 * BEAT)
    assert told(capsys) == ["cvm-audit: one"]


def test_the_beat_is_a_few_seconds() -> None:
    assert 1 <= module.BEAT_SECONDS <= 10
