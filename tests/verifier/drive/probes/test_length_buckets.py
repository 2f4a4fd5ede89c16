"""Lengths: which say only a bucket, and which say more."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of
from tests.verifier.drive.probes.tunnels import KEY, TUNNEL, opened_by_gateway
from verifier.drive.probes.length_buckets import (
    ANSWER_OVERHEAD,
    LENGTHS,
    REQUEST_OVERHEAD,
    Measure,
    _text,
    judge_lengths,
    probe_length_buckets,
)
from verifier.errors import FetchError, VerificationError
from verifier.wire.sealed import BUCKETS, SEALING_KEY_SIZE
from verifier.wire.service import RewriteRequest, encode_rewrite_answer, encode_rewrite_request
from verifier.wire.tunnel import CloseTunnel
from verifier.wire.tunnel_answer import TunnelClosed
from verifier.wire.workload.rewrite import rewrite

USUAL = ((4151, 4128),)
LARGE = ((8247, 4128),)


def measure(
    length: int,
    relay: tuple[tuple[int, int], ...] = USUAL,
    gateway: tuple[tuple[int, int], ...] | None = None,
    carried: tuple[int, int] = (3315, 2296),
) -> Measure:
    hops = {"client-relay": relay, "relay-gateway": relay if gateway is None else gateway}
    return Measure(length, hops, carried)


LONG = measure(3000, LARGE, carried=(5363, 4344))


def test_texts_of_one_bucket_are_alike_on_every_hop() -> None:
    words = judge_lengths([measure(40), measure(300), LONG], long=3000)
    assert words == ("client-relay 4151/4128, relay-gateway 4151/4128, gateway-cvm 3315/2296")


def test_a_pause_of_the_cvm_is_no_difference() -> None:
    paused = (*USUAL, (1079, 1056))
    measures = [measure(40, paused), measure(300), LONG, measure(40), measure(300, paused), LONG]
    assert judge_lengths(measures, long=3000).startswith("client-relay 4151/4128, ")


@pytest.mark.parametrize(
    ("measures", "fields"),
    [
        (
            [measure(40), measure(300, LARGE)],
            (
                "sizes on client-relay",
                "one sequence for all texts of a bucket",
                "4151/4128 or 8247/4128",
            ),
        ),
        (
            [measure(40), measure(300, gateway=LARGE)],
            (
                "sizes on relay-gateway",
                "one sequence for all texts of a bucket",
                "4151/4128 or 8247/4128",
            ),
        ),
        (
            [measure(40), measure(300, carried=(3316, 2296))],
            (
                "bytes on gateway-cvm",
                "one size for all texts of a bucket",
                "40 letters 3315/2296, 300 letters 3316/2296",
            ),
        ),
        (
            [measure(40, ((4152, 4128),))],
            (
                "size on client-relay",
                "a power of two from 1024 to 262144, and 55",
                "4152 bytes",
            ),
        ),
        (
            [measure(40, gateway=((4151, 4100),))],
            (
                "size on relay-gateway",
                "a power of two from 1024 to 262144, and 32",
                "4100 bytes",
            ),
        ),
    ],
)
def test_a_length_that_says_more_is_caught(
    measures: list[Measure], fields: tuple[str, str, str]
) -> None:
    with pytest.raises(VerificationError) as caught:
        judge_lengths([*measures, LONG], long=3000)
    assert fields_of(caught) == fields


@pytest.mark.parametrize(
    ("long", "hop"),
    [
        ([], "client-relay"),
        ([measure(3000)], "client-relay"),
        ([measure(3000, LARGE, gateway=USUAL)], "relay-gateway"),
        ([measure(3000, LARGE)], "gateway-cvm"),
    ],
)
def test_if_no_other_bucket_is_seen_nothing_was_measured(long: list[Measure], hop: str) -> None:
    with pytest.raises(FetchError) as caught:
        judge_lengths([measure(40), measure(300), *long], long=3000)
    assert fields_of(caught) == (
        f"sizes on {hop}",
        "another size for a text of another bucket",
        "the same",
    )


def test_the_overheads_are_those_of_the_format() -> None:
    sealed, answer = opened_by_gateway(CloseTunnel("gateway.example", TUNNEL), TunnelClosed())
    assert (len(sealed), len(answer)) == (1024 + REQUEST_OVERHEAD, 1024 + ANSWER_OVERHEAD)
    assert [suite.aead_id for suite in KEY.public.suites] == [1]


def test_the_lengths_are_of_one_bucket_and_the_long_one_of_another() -> None:
    def buckets(length: int) -> tuple[int, int]:
        request = RewriteRequest(_text(length), "proofread")
        there = 4 + SEALING_KEY_SIZE + 2 + 11 + len(encode_rewrite_request(request))
        answer = encode_rewrite_answer(rewrite(request))
        assert len(rewrite(request)) == 1
        asked, answered = (
            next(bucket for bucket in BUCKETS if size <= bucket)
            for size in (there, 6 + len(answer))
        )
        return asked, answered

    assert {buckets(length) for length in LENGTHS} == {(2048, 1024)}
    assert buckets(3000) == (8192, 4096)


def test_nothing_is_seen_where_nobody_watches() -> None:
    assert probe_length_buckets(World().lab(watched=False)) == {}
