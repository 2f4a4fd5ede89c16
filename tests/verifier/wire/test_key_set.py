"""The keys of a logged configuration: what is used, what is passed over, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import token_key
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.release.key_configuration import USES
from verifier.wire.key_set import KeySet, open_key_set
from verifier.wire.ohttp_keys import parse_ohttp_key

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)
OHTTP, TOKEN = ("ohttp", vectors.OHTTP_KEY), ("token", vectors.TOKEN_KEY)
OTHER_KEM = ("ohttp", b"\x07\x00\x10" + bytes(65) + b"\x00\x04\x00\x01\x00\x01")


def opened(*keys: tuple[str, bytes], now: datetime = START) -> KeySet:
    return open_key_set(keys, not_before=START, not_after=END, now=now)


def test_the_keys_keep_their_order() -> None:
    second = ("ohttp", b"\x02" + vectors.OHTTP_KEY[1:])
    made = opened(("hpke", b"\x00"), second, TOKEN, OTHER_KEM, OHTTP)
    assert [key.key_id for key in made.ohttp] == [2, 1]
    assert made.ohttp[1] == parse_ohttp_key(vectors.OHTTP_KEY)
    assert made.token == (token_key(),)
    assert (made.not_before, made.not_after) == (START, END)
    assert {"hpke", "ohttp", "token"} == set(USES)


def test_one_kind_is_enough() -> None:
    assert opened(OHTTP).token == ()
    assert opened(TOKEN).ohttp == ()


@pytest.mark.parametrize("now", [START, END - timedelta(seconds=1)])
def test_the_keys_are_valid_from_the_first_to_before_the_last_instant(now: datetime) -> None:
    assert opened(OHTTP, now=now).ohttp


@pytest.mark.parametrize("now", [START - timedelta(seconds=1), END])
def test_outside_of_its_validity_a_key_is_refused(now: datetime) -> None:
    what = "validity of the key configuration"
    expected = "^2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z$"
    with rejects(VerificationError, what, expected=expected, got=f"^{now:%Y-%m-%dT%H:%M:%SZ}$"):
        opened(OHTTP, now=now)


@pytest.mark.parametrize("keys", [(), (("hpke", b"\x00"),), (OTHER_KEM,)])
def test_a_configuration_without_a_key_of_ours_is_refused(keys: tuple[tuple[str, bytes]]) -> None:
    what = "key configuration"
    with rejects(UnsupportedError, what, expected="a key for ohttp or token", got="other kinds"):
        opened(*keys)


def test_a_key_that_is_not_what_its_use_says_is_refused() -> None:
    with rejects(ParseError, "token key", expected="342 bytes", got="45"):
        opened(("token", vectors.OHTTP_KEY))
    with rejects(ParseError, "key configuration", expected="3 bytes or more", got="0 bytes"):
        opened(OHTTP, ("ohttp", b""))
