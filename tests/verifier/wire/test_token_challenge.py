"""Token challenges: the vectors of RFC 9577, their header field, and what is refused."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from tests.verifier.wire import path_vectors as vectors
from tests.verifier.wire.path_messages import challenge, token_key
from verifier.errors import ParseError, UnsupportedError
from verifier.wire.token_challenge import (
    MAX_CHALLENGE,
    MAX_ORIGINS,
    OfferedChallenge,
    encode_offered_challenge,
    encode_token_challenge,
    parse_offered_challenges,
    parse_token_challenge,
)

WHAT = "token challenge"
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.\-]{0,20}[a-z0-9])?(:[1-9][0-9]{0,4})?", fullmatch=True)
FIELD = vectors.OFFERED_FIELD.format(base64.urlsafe_b64encode(vectors.TOKEN_KEY).decode())


def raw(
    issuer: bytes = b"a.test",
    context: bytes = b"",
    origins: bytes = b"",
    *,
    token_type: bytes = b"\x00\x02",
) -> bytes:
    parts = struct.pack(">H", len(issuer)) + issuer + bytes((len(context),)) + context
    return token_type + parts + struct.pack(">H", len(origins)) + origins


@pytest.mark.parametrize(("context", "origins", "digest"), vectors.CHALLENGE_DIGESTS)
def test_the_digests_of_the_standard(context: bytes, origins: tuple[str, ...], digest: str) -> None:
    made = encode_token_challenge(
        issuer_name=vectors.CHALLENGE_ISSUER, context=context, origins=origins
    )
    assert made.digest.hex() == digest


def test_the_header_field_of_the_standard() -> None:
    (offered,) = parse_offered_challenges(FIELD)
    assert offered == OfferedChallenge(parse_token_challenge(vectors.OFFERED), token_key(), 10)
    assert offered.challenge.issuer_name == "issuer.example"
    assert offered.challenge.origins == ("origin.example",)
    assert len(offered.challenge.context) == 32


@given(HOSTS, st.sampled_from([b"", bytes(32)]), st.lists(HOSTS, max_size=4).map(tuple))
def test_what_is_written_is_read(name: str, context: bytes, origins: tuple[str, ...]) -> None:
    made = encode_token_challenge(issuer_name=name, context=context, origins=origins)
    assert (made.issuer_name, made.context, made.origins) == (name, context, origins)
    assert parse_token_challenge(made.raw) == made
    for key, max_age in ((None, None), (token_key(), 60)):
        offered = OfferedChallenge(made, key, max_age)
        assert parse_offered_challenges(encode_offered_challenge(offered)) == (offered,)


@given(st.binary(max_size=100))
def test_only_one_spelling_is_read(tail: bytes) -> None:
    try:
        read = parse_token_challenge(b"\x00\x02\x00\x06" + tail)
    except ParseError:
        return
    made = encode_token_challenge(
        issuer_name=read.issuer_name, context=read.context, origins=read.origins
    )
    assert made.raw == b"\x00\x02\x00\x06" + tail


@pytest.mark.parametrize(
    ("encoded", "what", "expected", "got"),
    [
        (b"", f"token type of the {WHAT}", "a number of 2 bytes", "^0$"),
        (b"\x00\x02\x00", f"issuer name of the {WHAT}", "a number of 2 bytes", "^1$"),
        (b"\x00\x02\x00\x07a", f"issuer name of the {WHAT}", "^7 bytes$", "^1$"),
        (raw()[:-3], f"redemption context of the {WHAT}", "a number of 1 bytes", "^0$"),
        (raw(context=bytes(32))[:-3], f"redemption context of the {WHAT}", "^32 bytes$", "31"),
        (raw(context=bytes(31)), f"redemption context of the {WHAT}", "0 or 32 bytes", "^31$"),
        (raw()[:-1], f"origin info of the {WHAT}", "a number of 2 bytes", "^1$"),
        (raw(origins=b"b")[:-1], f"origin info of the {WHAT}", "^1 bytes$", "^0$"),
        (raw() + b"\x00", WHAT, f"^{len(raw())} bytes$", "^1 more$"),
        (bytes(MAX_CHALLENGE + 1), WHAT, f"at most {MAX_CHALLENGE}", "bytes"),
        (raw(b""), f"issuer name of the {WHAT}", "a host in lower case", "b''"),
        (raw(b"A.test"), f"issuer name of the {WHAT}", "a host in lower case", "A.test"),
        (raw(b"a.test:0"), f"issuer name of the {WHAT}", "a host in lower case", ":0"),
        (raw(origins=b"a,"), f"origin info of the {WHAT}", "a host in lower case", "b''"),
        (raw(origins=b"a, b"), f"origin info of the {WHAT}", "a host in lower case", " b"),
        (raw(origins=b",".join([b"a"] * 17)), f"origin info of the {WHAT}", "at most 16", "17"),
    ],
)
def test_a_malformed_challenge_is_refused(
    encoded: bytes, what: str, expected: str, got: str
) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_token_challenge(encoded)


def test_another_token_type_is_refused() -> None:
    what = f"token type of the {WHAT}"
    with rejects(UnsupportedError, what, expected="^0x0002$", got="^0x0001$"):
        parse_token_challenge(raw(token_type=b"\x00\x01"))


def test_what_is_not_ours_is_passed_over() -> None:
    other = base64.urlsafe_b64encode(raw(token_type=b"\x00\x01")).decode()
    field = f'Basic realm="x", PrivateToken challenge="{other}", Digest abc=='
    assert parse_offered_challenges(field) == ()
    ours = encode_offered_challenge(OfferedChallenge(challenge(), None, None))
    assert len(parse_offered_challenges(f"{field}, {ours}, realm=x")) == 1


@pytest.mark.parametrize(
    ("field", "what", "expected", "got"),
    [
        ("PrivateToken", "challenge of WWW-Authenticate", "the parameter", "missing"),
        ("PrivateToken challenge=AAI", "challenge of WWW-Authenticate", "base64", "AAI"),
        ('PrivateToken challenge="AA+="', "challenge of WWW-Authenticate", "base64url", r"AA\+"),
        ('PrivateToken challenge="AAI="', f"issuer name of the {WHAT}", "2 bytes", "0"),
        (
            encode_offered_challenge(OfferedChallenge(challenge(), None, None))
            + ', token-key="AAI="',
            "token key",
            "342 bytes",
            "2",
        ),
        (
            encode_offered_challenge(OfferedChallenge(challenge(), None, None)) + ', max-age="010"',
            "max-age of WWW-Authenticate",
            "a decimal",
            "010",
        ),
    ],
)
def test_a_malformed_field_is_refused(field: str, what: str, expected: str, got: str) -> None:
    with rejects(ParseError, what, expected=expected, got=got):
        parse_offered_challenges(field)


@pytest.mark.parametrize(
    ("name", "context", "origins"),
    [
        ("", b"", ()),
        ("ä.test", b"", ()),
        ("a.test", bytes(31), ()),
        ("a.test", b"", ("",)),
        ("a.test", b"", ("a,b",)),
        ("a.test", b"", ("a",) * (MAX_ORIGINS + 1)),
        ("a" * 65_536, b"", ()),
        ("a.test", b"", ("a" * 65_536,)),
    ],
)
def test_what_no_challenge_can_say_is_not_written(
    name: str, context: bytes, origins: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="not a token challenge"):
        encode_token_challenge(issuer_name=name, context=context, origins=origins)
