"""A running log under witnesses that come and go."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests

from log_server.errors import QuorumError
from log_server.intake import RETRY_SECONDS
from log_server.log_folder import open_log
from tests.log_server.conftest import Serve
from tests.log_server.witnessed import ONCE, SOON, Field, answering, cosigning, free_port
from tests.running import ROOT


def test_a_running_log_goes_on_by_itself_when_asked_again(field: Field) -> None:
    port = free_port()
    field.urls["two"] = f"http://127.0.0.1:{port}"
    field.write_policy(rule="any", names=("one", "two"))
    with open_log(field.root / "log", patience=ONCE) as log:
        with pytest.raises(QuorumError):
            log.sequencer.commit((b"a",), now=field.now)
        with answering(cosigning(field, "two"), port=port):
            done = log.sequencer.commit((b"a",), now=field.now)
            log.sequencer.require_published()
    assert done.indices == (0,)
    assert done.checkpoint == field.published()


def test_over_http_two_down_is_503_and_health_says_why(field: Field, serving: Serve) -> None:
    with field.serving("one"):
        field.write_policy()
        with open_log(field.root / "log", patience=ONCE) as log, serving(log) as url:
            refused = requests.post(f"{url}/add", data=b"a", timeout=30)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.json()["field"] == "witness quorum"
            health = requests.get(f"{url}/health", timeout=30)
            assert health.status_code == 503
            assert health.json()["got"].startswith("'one' (two: http://127.0.0.1:3/")
            assert b"\n0\n" in requests.get(f"{url}/checkpoint", timeout=30).content


def test_over_http_one_down_is_published(field: Field, serving: Serve) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log, serving(log) as url:
            answer = requests.post(f"{url}/add", data=b"a", timeout=30)
            assert (answer.status_code, answer.text) == (200, "0")
            assert requests.get(f"{url}/checkpoint", timeout=30).content == field.published()
            assert requests.get(f"{url}/health", timeout=30).json()["status"] == "ok"
    assert field.cosigned_by() == ["one", "two"]


def test_an_idle_log_publishes_when_its_witness_comes_back(field: Field, serving: Serve) -> None:
    port = free_port()
    field.urls["two"] = f"http://127.0.0.1:{port}"
    field.write_policy(rule="any", names=("two",))
    with open_log(field.root / "log", patience=ONCE) as log, serving(log) as url:
        assert requests.post(f"{url}/add", data=b"a", timeout=30).status_code == 503
        with answering(cosigning(field, "two"), port=port):
            end = time.monotonic() + RETRY_SECONDS + 15
            while requests.get(f"{url}/health", timeout=30).status_code != 200:
                assert time.monotonic() < end
                time.sleep(0.2)
    assert b"\n1\n" in field.published()


def test_the_program_refreshes_and_says_how_old(field: Field) -> None:
    name = "cvm_log_oldest_cosignature_age_seconds"
    with field.serving("one", "two"):
        field.write_policy()
        field.commit(b"a")
        before = field.opened().cosignatures
        command = [sys.executable, "-m", "log_server.cli", "serve", str(field.root / "log")]
        options = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--refresh", "1"]
        with subprocess.Popen(
            [*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
        ) as server:
            assert server.stderr is not None
            try:
                said = (line for line in server.stderr if "figures on " in line)
                figures = next(said).split("figures on ")[1].strip()
                end = time.monotonic() + RETRY_SECONDS + 15
                while (after := field.opened().cosignatures)[0].timestamp == before[0].timestamp:
                    assert time.monotonic() < end
                    time.sleep(0.1)
                text = requests.get(figures, timeout=30).text
            finally:
                server.terminate()
                assert server.wait(30) == 0
    assert [one.witness for one in after] == ["one", "two"]
    (age,) = (float(line.split()[1]) for line in text.splitlines() if line.startswith(name))
    assert 0 <= age < 30
