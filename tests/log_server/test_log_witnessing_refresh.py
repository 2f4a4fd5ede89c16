"""A log of which nothing new is asked, and the age of what its witnesses said."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests

from log_server import intake as intake_module
from log_server.freshness import STALE_REFRESHES, Freshness
from log_server.log_folder import OpenLog, open_log
from log_server.witness.request import parse_add_checkpoint
from log_server.witnessing import UNWITNESSED, Patience
from tests.log_server.conftest import Serve
from tests.log_server.witnessed import (
    ONCE,
    Answering,
    Field,
    always,
    answering,
    cosigning,
    free_port,
)
from verifier.errors import VerificationError

LONG_AGO = 1_700_000_000
TWO = ("one", "two")
QUICK = Patience(answer=2.0, others=0.2, quorum=2.0, again=2.0, refresh=0.2)


def _says(field: Field, name: str, *times: int) -> Answering:
    """A witness that cosigns at each of ``times``, one a request, and then refuses.

    It cosigns the empty tree, which is published when the log is opened first, at any time.
    """
    left = list(times)

    def answer(body: bytes) -> tuple[int, str, bytes]:
        if parse_add_checkpoint(body).checkpoint.tree.size == 0:
            return cosigning(field, name)(body)
        if not left:
            return 500, "text/plain", b""
        return cosigning(field, name, timestamp=left.pop(0))(body)

    return answer


@contextmanager
def _two(field: Field, one: Answering, two: Answering, *, rule: str = "all") -> Iterator[None]:
    with answering(one) as first, answering(two) as second:
        field.urls |= {"one": first, "two": second}
        field.write_policy(rule=rule, names=TWO)
        yield


def _times(field: Field, *, rule: str = "all") -> list[int]:
    return [one.timestamp for one in field.opened(rule=rule, names=TWO).cosignatures]


def _ask_again(log: OpenLog, field: Field) -> bytes:
    time.sleep(QUICK.refresh)
    return log.sequencer.commit((), now=field.now).checkpoint


def test_the_same_note_gets_newer_cosignatures(field: Field) -> None:
    one, two = _says(field, "one", 1000, 2000), _says(field, "two", 1001, 2002)
    with _two(field, one, two), open_log(field.root / "log", patience=QUICK) as log:
        assert log.sequencer.commit((b"a",), now=field.now).indices == (0,)
        before = field.opened(rule="all", names=TWO).signed
        assert (_times(field), log.sequencer.witnessing.cosigned_at) == ([1000, 1001], 1000)
        assert _ask_again(log, field) == field.published()
        after = field.opened(rule="all", names=TWO).signed
    assert (_times(field), log.sequencer.witnessing.cosigned_at) == ([2000, 2002], 2000)
    assert after.note.text == before.note.text
    key = field.log_key
    assert after.note.signatures_of(key) == before.note.signatures_of(key)
    assert len(after.note.signatures) == 3


def test_a_refresh_asks_from_the_size_that_is_cosigned_without_a_proof(field: Field) -> None:
    asked: list[bytes] = []

    def two(body: bytes) -> tuple[int, str, bytes]:
        asked.append(body)
        return cosigning(field, "two")(body)

    with (
        _two(field, cosigning(field, "one"), two),
        open_log(field.root / "log", patience=QUICK) as log,
    ):
        log.sequencer.commit((b"a", b"b"), now=field.now)
        _ask_again(log, field)
    assert [body.split(b"\n\n")[0] for body in asked] == [b"old 0", b"old 0", b"old 2"]


def test_ours_cosign_again(field: Field) -> None:
    with field.serving(*field.keys):
        field.write_policy(rule="all")
        with open_log(field.root / "log", patience=QUICK) as log:
            log.sequencer.commit((b"a",), now=field.now)
            before = log.sequencer.witnessing.cosigned_at
            assert before is not None
            time.sleep(1.1)  # they say whole seconds
            assert log.sequencer.commit((b"a",), now=field.now).indices == (0,)
            after = log.sequencer.witnessing.cosigned_at
            assert after is not None
            assert after > before
            assert log.sequencer.witnessing.unrefreshed == ""


def test_too_few_answers_leave_what_is_published(field: Field) -> None:
    one, two = _says(field, "one", 1000, 2000, 3000), _says(field, "two", 1001)
    with _two(field, one, two), open_log(field.root / "log", patience=QUICK) as log:
        log.sequencer.commit((b"a",), now=field.now)
        before = field.published()
        assert _ask_again(log, field) == before
        witnessing = log.sequencer.witnessing
        assert witnessing.unrefreshed.startswith("'one' (two: http://127.0.0.1:")
        assert witnessing.unrefreshed.endswith("500 (expected 200))")
        assert (witnessing.failure, witnessing.cosigned_at) == (None, 1000)
        log.sequencer.require_published()
    assert field.published() == before


def test_who_does_not_answer_again_is_kept_and_does_not_count(field: Field) -> None:
    one, two = _says(field, "one", 1000), _says(field, "two", 999, 2000)
    with _two(field, one, two, rule="any"), open_log(field.root / "log", patience=QUICK) as log:
        log.sequencer.commit((b"a",), now=field.now)
        assert log.sequencer.witnessing.cosigned_at == 1000
        _ask_again(log, field)
        assert (_times(field, rule="any"), log.sequencer.witnessing.cosigned_at) == (
            [1000, 2000],
            2000,
        )


def test_a_witness_whose_clock_went_back_makes_nothing_older(field: Field) -> None:
    one, two = _says(field, "one", 1000, 2000), _says(field, "two", 1001, 900)
    with _two(field, one, two), open_log(field.root / "log", patience=QUICK) as log:
        log.sequencer.commit((b"a",), now=field.now)
        _ask_again(log, field)
        assert (_times(field), log.sequencer.witnessing.cosigned_at) == ([2000, 1001], 1001)


def test_nobody_is_asked_before_it_is_due_or_where_it_never_is(field: Field) -> None:
    for refresh, due in ((600.0, True), (0.0, False)):
        patience = Patience(answer=2.0, others=0.2, quorum=2.0, refresh=refresh)
        one, two = _says(field, "one", 1000), _says(field, "two", 1000)
        with _two(field, one, two), open_log(field.root / "log", patience=patience) as log:
            log.sequencer.commit((b"%d" % refresh,), now=field.now)
            wait = log.sequencer.idle_seconds()
            assert (wait is not None and 590 < wait <= 600) if due else wait is None
            log.sequencer.commit((), now=field.now)
            assert log.sequencer.witnessing.unrefreshed == ""


def test_after_a_failed_refresh_the_next_is_not_at_once(field: Field) -> None:
    patience = Patience(answer=2.0, others=0.2, quorum=2.0, refresh=600.0)
    one, two = _says(field, "one", 1000), _says(field, "two", 1000)
    with _two(field, one, two):
        field.commit(b"a", patience=patience)
    with (
        _two(field, always(500, b""), always(500, b"")),
        open_log(field.root / "log", patience=patience) as log,
    ):
        # What an earlier run published may be old: it is due at once, but holds no start up.
        assert (log.sequencer.witnessing.unrefreshed, log.sequencer.idle_seconds()) == ("", 0)
        log.sequencer.commit((), now=field.now)
        assert "one: http" in log.sequencer.witnessing.unrefreshed
        wait = log.sequencer.idle_seconds()
        assert wait is not None
        assert 50 < wait <= 60


def test_a_new_head_needs_no_refresh(field: Field) -> None:
    one, two = _says(field, "one", 1000, 2000), _says(field, "two", 1000, 2000)
    with _two(field, one, two), open_log(field.root / "log", patience=QUICK) as log:
        log.sequencer.commit((b"a",), now=field.now)
        time.sleep(QUICK.refresh)
        log.sequencer.commit((b"b",), now=field.now + timedelta(seconds=1))
        assert log.sequencer.witnessing.unrefreshed == ""
    assert _times(field) == [2000, 2000]


def _until(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_idle_server_refreshes_by_itself(
    field: Field, serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "RETRY_SECONDS", 0.1)
    one, two = _says(field, "one", 1000, 2000), _says(field, "two", 1000, 2000)
    with (
        _two(field, one, two),
        open_log(field.root / "log", patience=QUICK) as log,
        serving(log) as url,
    ):
        assert requests.post(f"{url}/add", data=b"a", timeout=30).text == "0"
        _until(lambda: _times(field) == [2000, 2000])
        served = requests.get(f"{url}/checkpoint", timeout=30).content
        assert served == field.published()


def test_a_server_that_starts_without_its_quorum_gets_it_later(
    field: Field, serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "RETRY_SECONDS", 0.1)
    port = free_port()
    field.urls["two"] = f"http://127.0.0.1:{port}"
    field.write_policy(rule="any", names=("two",))
    patience = Patience(answer=2.0, others=0.2, quorum=0.5, again=0.5)
    with open_log(field.root / "log", patience=patience) as log, serving(log) as url:
        # Nothing is ever submitted here.
        health = requests.get(f"{url}/health", timeout=30)
        assert (health.status_code, health.json()["field"]) == (503, "witness quorum")
        with answering(cosigning(field, "two"), port=port):
            _until(lambda: requests.get(f"{url}/health", timeout=30).status_code == 200)
    assert b"two" in field.published()


def test_health_says_why_when_the_oldest_that_counts_is_too_old(
    field: Field, serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "RETRY_SECONDS", 0.1)
    clock = [LONG_AGO + STALE_REFRESHES * 600.0]
    patience = Patience(answer=2.0, others=0.2, quorum=2.0, again=2.0)
    one = _says(field, "one", LONG_AGO)
    with (
        _two(field, one, cosigning(field, "two", timestamp=LONG_AGO + 50)),
        open_log(field.root / "log", patience=patience) as log,
    ):
        log.sequencer.commit((b"a",), now=field.now)
    with (
        _two(field, one, cosigning(field, "two", timestamp=LONG_AGO + 60)),
        open_log(field.root / "log", patience=patience) as log,
    ):
        fresh = Freshness(log.sequencer.witnessing, refresh=600.0, clock=lambda: clock[0])
        with serving(log, checks=(fresh.require,)) as url:
            _until(lambda: log.sequencer.witnessing.unrefreshed != "")
            assert requests.get(f"{url}/health", timeout=30).status_code == 200
            clock[0] += 7
            health = requests.get(f"{url}/health", timeout=30)
    problem = health.json()
    assert (health.status_code, problem["field"]) == (503, "oldest cosignature that counts")
    assert problem["expected"] == "at most 1800 s old"
    assert problem["got"].startswith("1807 s: 'two' (one: http://127.0.0.1:")
    assert fresh.age() == STALE_REFRESHES * 600.0 + 7


def test_nothing_is_stale_without_cosignatures_or_without_an_interval(field: Field) -> None:
    unwitnessed = Freshness(UNWITNESSED, refresh=600.0, clock=lambda: 1e12)
    unwitnessed.require()
    assert math.isnan(unwitnessed.age())
    with (
        _two(field, cosigning(field, "one"), cosigning(field, "two")),
        open_log(field.root / "log", patience=ONCE) as log,
    ):
        Freshness(log.sequencer.witnessing, refresh=0, clock=lambda: 1e12).require()
        strict = Freshness(log.sequencer.witnessing, refresh=1, clock=lambda: LONG_AGO + 4.0)
        with pytest.raises(VerificationError) as caught:
            strict.require()
    assert (caught.value.expected, caught.value.got) == ("at most 3 s old", "4 s")
