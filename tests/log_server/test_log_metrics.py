from __future__ import annotations

import math
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import requests

from log_server import __version__
from log_server.errors import BusyError, PolicyRefusalError, StoppedError
from log_server.exchange import Answer, Request
from log_server.metrics import Metrics

REPOSITORY = Path(__file__).resolve().parents[2]


def _read(metrics: Metrics) -> dict[str, float]:
    (route,) = metrics.routes
    answer = route.operations["GET"].answer(Request("GET", "/metrics", "", {}, b""))
    assert isinstance(answer, Answer)
    return _parse(answer.body.decode())


def _parse(text: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_figures_of_what_happened() -> None:
    metrics = Metrics(size=7, timestamp=1000.5, clock=lambda: 2000.25)
    metrics.watch(outstanding=lambda: 3, connections=lambda: 5)
    before = _read(metrics)
    assert before["cvm_log_tree_size"] == 7
    assert before["cvm_log_last_checkpoint_timestamp_seconds"] == 1000.5
    assert before["cvm_log_outstanding_entries"] == 3
    assert before["cvm_log_connections"] == 5
    assert before[f'cvm_log_build_info{{version="{__version__}"}}'] == 1
    metrics.published(seconds=[(1, 0.02), (4, 0.3)], size=12)
    metrics.refused(entries=2, error=BusyError("x", expected="y", got="z"))
    metrics.refused(entries=1, error=StoppedError("x", expected="y", got="z"))
    metrics.refused(entries=6, error=PolicyRefusalError("x", expected="y", got="z"))
    after = _read(metrics)
    assert after["cvm_log_tree_size"] == 12
    assert after["cvm_log_last_checkpoint_timestamp_seconds"] == 2000.25
    outcomes = {"published": 5, "busy": 2, "stopped": 1, "refused": 6}
    for outcome, count in outcomes.items():
        assert after[f'cvm_log_adds_total{{outcome="{outcome}"}}'] == count
    assert after["cvm_log_batch_entries_sum"] == 5
    assert after["cvm_log_publish_seconds_count"] == 2
    assert after['cvm_log_publish_seconds_bucket{le="0.025"}'] == 1
    assert all(name.startswith("cvm_log_") for name in after)


def test_the_age_of_cosignatures() -> None:
    metrics = Metrics(size=7, timestamp=1000.5, clock=lambda: 2000.25)
    assert "cvm_log_oldest_cosignature_age_seconds" not in _read(metrics)
    ages = [math.nan, 12.5]
    metrics.watch_cosignatures(age=lambda: ages.pop(0))
    assert math.isnan(_read(metrics)["cvm_log_oldest_cosignature_age_seconds"])
    assert _read(metrics)["cvm_log_oldest_cosignature_age_seconds"] == 12.5


def test_a_checkpoint_that_is_published_again_is_no_batch() -> None:
    metrics = Metrics(size=7, timestamp=1000.5, clock=lambda: 2000.25)
    metrics.published(seconds=[], size=7)
    figures = _read(metrics)
    assert figures["cvm_log_last_checkpoint_timestamp_seconds"] == 2000.25
    assert figures["cvm_log_batch_entries_count"] == 0
    assert figures['cvm_log_adds_total{outcome="published"}'] == 0


def test_the_listener_for_figures(log_root: Path) -> None:
    command = [sys.executable, "-m", "log_server.cli", "serve", str(log_root)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        (said,) = islice((line for line in process.stderr if "figures on " in line), 1)
        figures = said.removeprefix("cvm-log: figures on ").strip()
        try:
            assert requests.post(f"{url}/add", data=b"one", timeout=10).text == "0"
            response = requests.get(figures, timeout=10)
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            assert _parse(response.text)["cvm_log_tree_size"] == 1
            # Not for the public: each listener has its own resources.
            assert requests.get(f"{url}/metrics", timeout=10).status_code == 404
            elsewhere = figures.replace("/metrics", "/checkpoint")
            assert requests.get(elsewhere, timeout=10).status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert "Traceback" not in process.stderr.read()


def test_a_bad_address_for_figures(log_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "log_server.cli", "serve", str(log_root), "--metrics", "nowhere"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert b"--metrics" in done.stderr
