"""What would tell one client from another at the gateway."""

from __future__ import annotations

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import HEAD, exchange, fields_of
from verifier.drive.probes.canaries import Hay
from verifier.drive.probes.clients_alike import (
    FIELDS,
    Run,
    judge_addresses,
    judge_heads,
    judge_sizes,
    probe_clients_alike,
    run_of,
)
from verifier.errors import FetchError, VerificationError

SOURCE = "127.160.122.155"


def run(*sizes: tuple[int, int], lines: tuple[bytes, ...] = HEAD) -> Run:
    return run_of([exchange(bytes(there), bytes(back), lines) for there, back in sizes])


ONE, OTHER = run((2103, 2080), (1079, 1056)), run((2103, 2080), (1079, 1056))


def test_clients_that_look_alike_pass() -> None:
    assert ONE == OTHER
    assert judge_heads((ONE, OTHER)) == 4
    assert judge_sizes((ONE,), (OTHER,)) == "2103/2080, 1079/1056"


@pytest.mark.parametrize(
    ("lines", "expected", "got"),
    [
        (
            (*HEAD, b"X-Forwarded-For: 127.0.0.2"),
            f"no fields but {', '.join(sorted(FIELDS))}",
            "'X-Forwarded-For: 127.0.0.2'",
        ),
        ((*HEAD[:2], HEAD[3], HEAD[2]), "the line 'Accept: message/ohttp-res', as before", None),
        (
            (HEAD[0], HEAD[1].lower(), *HEAD[2:]),
            "the line 'Host: 127.0.0.1:8081', as before",
            "'host: 127.0.0.1:8081'",
        ),
        ((*HEAD, b"User-Agent: x"), "the line 'Content-Length', as before", "'User-Agent: x'"),
        ((b"POST /?c=1 HTTP/1.1", *HEAD[1:]), "the line 'POST / HTTP/1.1', as before", None),
        (HEAD[:3], "the line 'Content-Type: message/ohttp-req', as before", "'Content-Length'"),
    ],
)
def test_a_head_that_is_another_is_named(
    lines: tuple[bytes, ...], expected: str, got: str | None
) -> None:
    marked = run((2103, 2080), lines=lines)
    with pytest.raises(VerificationError) as caught:
        judge_heads((ONE, marked))
    assert caught.value.what in ("request on relay-gateway", "requests on relay-gateway")
    assert caught.value.expected == expected
    assert got is None or caught.value.got == got


def test_a_head_with_a_line_more_at_its_end_is_named() -> None:
    longer = Run(((*ONE.heads[0], "Accept: x"),), ONE.sizes)
    with pytest.raises(VerificationError) as caught:
        judge_heads((ONE, longer))
    assert fields_of(caught) == ("requests on relay-gateway", "5 lines, as before", "6")


def test_a_field_that_everybody_gets_is_refused_too() -> None:
    marked = run((1079, 1056), lines=(*HEAD, b"Via: 1.1 relay"))
    with pytest.raises(VerificationError) as caught:
        judge_heads((marked, marked))
    assert caught.value.got == "'Via: 1.1 relay'"


def test_sizes_must_come_in_one_sequence_at_least_once() -> None:
    slow = run((2103, 2080), (1079, 1056), (1079, 1056))
    assert judge_sizes((slow, ONE), (OTHER,)) == "2103/2080, 1079/1056"
    larger = run((2103, 2080), (2103, 1056))
    with pytest.raises(VerificationError) as caught:
        judge_sizes((slow, ONE), (larger,))
    assert fields_of(caught) == (
        "sizes of two clients on relay-gateway",
        "those of the first: 2103/2080, 1079/1056",
        "2103/2080, 2103/1056",
    )


def test_without_requests_nothing_is_shown() -> None:
    with pytest.raises(FetchError) as caught:
        judge_heads(())
    assert fields_of(caught) == ("recording of relay-gateway", "requests", "none")


@pytest.mark.parametrize(
    ("content", "offset", "spelling"),
    [
        (b"Forwarded: for=127.160.122.155\r\n", 15, "as it is"),
        (b"X-Client: 7fa07a9b", 10, "in hex"),
        (b"X-Client: 7FA07A9B", 10, "in hex capitals"),
        (b"host-127-160-122-155.example", 5, "with hyphens"),
        (SOURCE.encode("utf-16-be"), 1, "in UTF-16"),
    ],
)
def test_an_address_beyond_the_relay_is_named(content: bytes, offset: int, spelling: str) -> None:
    hay = (Hay("gateway: file counts.log", b"fine"), Hay("relay-gateway", content))
    with pytest.raises(VerificationError) as caught:
        judge_addresses(("127.1.2.3", SOURCE), hay)
    assert fields_of(caught) == (
        "address of a client",
        "no address of a client beyond the relay",
        f"{SOURCE} at relay-gateway, offset {offset}: {spelling}",
    )


def test_other_addresses_are_nobodys() -> None:
    judge_addresses((SOURCE,), (Hay("relay-gateway", b"Host: 127.0.0.1:8081 127.160.122.15"),))


def test_nothing_is_seen_where_nobody_watches() -> None:
    assert probe_clients_alike(World().lab(watched=False)) == {}
