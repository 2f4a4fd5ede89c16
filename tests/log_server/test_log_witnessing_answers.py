"""Our log under witnesses that answer badly, late or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from log_server.errors import QuorumError
from log_server.log_folder import open_log
from tests.log_server.witnessed import (
    ONCE,
    SOON,
    Answering,
    Field,
    always,
    answering,
    cosigning,
    sleeping,
)

BAD: dict[str, tuple[Callable[[Field], Answering], str]] = {
    "garbage": (lambda _: always(200, b"\xff\x00"), "note"),
    "nothing": (lambda _: always(200, b""), "note"),
    "a page": (lambda _: always(200, b"<html>hello</html>\n"), "signature line"),
    "no line end": (lambda f: lambda b: (200, "", cosigning(f, "one")(b)[2][:-1]), "note"),
    "a checkpoint": (lambda f: always(200, f.published()), "cosignature lines"),
    "another text": (
        lambda f: cosigning(f, "one", text=lambda t: f"{t}more\n"),
        "does not verify",
    ),
    "a flipped bit": (lambda f: cosigning(f, "one", flip=1), "does not verify"),
    "another name": (lambda f: cosigning(f, "one", rename="wit.test/other"), "cosignature: "),
    "another witness": (lambda f: cosigning(f, "two"), "cosignature: "),
    "time 0": (lambda f: cosigning(f, "one", timestamp=0), "a time other than 0"),
    "time out": (lambda _: sleeping, "no answer yet"),
    "500": (lambda _: always(500, b"broken"), "500"),
    "429": (lambda _: always(429, b"later"), "429"),
    "redirect": (lambda _: always(302, b""), "302"),
    "422": (lambda _: always(422, b"no"), "consistency with what the witness cosigned"),
    "409 without a size": (lambda _: always(409, b""), "consistency with what the witness"),
    "409 beyond": (lambda _: always(409, b"99\n", "text/x.tlog.size"), "at most 1"),
    "409 malformed": (lambda _: always(409, b"01\n", "text/x.tlog.size"), "size cosigned last"),
    "409 for ever": (lambda _: always(409, b"0\n", "text/x.tlog.size"), "409 4 times"),
    "too long": (lambda _: always(200, b"x" * 70_000), "at most 65536 bytes"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_answer_counts_for_nothing_and_is_named(field: Field, how: str) -> None:
    make, reason = BAD[how]
    before = field.published()
    with answering(make(field)) as url:
        field.urls["one"] = url
        field.write_policy(rule="all", names=("one",))
        with pytest.raises(QuorumError) as caught:
            field.commit(b"a", patience=ONCE)
    assert caught.value.got.startswith("no cosignature (one: ")
    assert reason in caught.value.got
    assert field.published() == before


@pytest.mark.parametrize("how", ["garbage", "a flipped bit", "another name", "time out"])
def test_a_bad_witness_does_not_hold_up_the_others(field: Field, how: str) -> None:
    with field.serving("two", "three"), answering(BAD[how][0](field)) as url:
        field.urls["one"] = url
        field.write_policy()
        begun = time.monotonic()
        assert field.commit(b"a") == (0,)
        assert time.monotonic() - begun < 2.0
        assert field.cosigned_by() == ["two", "three"]


def test_a_witness_that_hangs_costs_the_next_heads_nothing(field: Field) -> None:
    with field.serving("two", "three"), answering(sleeping) as url:
        field.urls["one"] = url
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.commit((b"0",), now=field.now)
            begun = time.monotonic()
            for number in range(1, 6):
                later = field.now + timedelta(seconds=number)
                log.sequencer.commit((b"%d" % number,), now=later)
            assert time.monotonic() - begun < 5 * SOON.others
            assert field.opened().tree.size == 6
