from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.id_block import encode_id_authentication, encode_id_block, encode_key, owner_key
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.evidence.id_block import parse_id_authentication, parse_id_block

BLOCK = encode_id_block(b"\x11" * 48, family_id=b"f" * 16, image_id=b"i" * 16, guest_svn=7)
ID_KEY, AUTHOR_KEY = owner_key("id"), owner_key("author")
PLAIN = encode_id_authentication(BLOCK, id_key=ID_KEY)
AUTHORED = encode_id_authentication(BLOCK, id_key=ID_KEY, author_key=AUTHOR_KEY)


def patched(raw: bytes, offset: int, patch: bytes) -> bytes:
    return raw[:offset] + patch + raw[offset + len(patch) :]


def test_an_id_block() -> None:
    block = parse_id_block(BLOCK)
    assert (block.launch_digest, block.family_id) == (b"\x11" * 48, b"f" * 16)
    assert (block.image_id, block.guest_svn, block.policy) == (b"i" * 16, 7, 0x30000)


def test_an_authentication_with_and_without_an_author() -> None:
    for raw, author in ((PLAIN, None), (AUTHORED, AUTHOR_KEY)):
        who = parse_id_authentication(raw)
        assert who.id_key.digest == hashlib.sha384(encode_key(ID_KEY)).digest()
        who.id_key.verify_signature(who.id_block_signature, BLOCK, what="ID block")
        assert (who.author_key is None) == (author is None)
        if who.author_key is not None and who.id_key_signature is not None:
            who.author_key.verify_signature(who.id_key_signature, who.id_key.raw, what="ID key")


def test_a_block_that_another_key_signed() -> None:
    who = parse_id_authentication(encode_id_authentication(BLOCK, id_key=ID_KEY))
    other = parse_id_authentication(encode_id_authentication(BLOCK, id_key=AUTHOR_KEY))
    with pytest.raises(VerificationError) as caught:
        who.id_key.verify_signature(other.id_block_signature, BLOCK, what="ID block")
    assert (caught.value.what, caught.value.got) == ("ID block", "not one")
    assert who.id_key.digest.hex() in caught.value.expected


@pytest.mark.parametrize(
    ("raw", "wrong", "what", "got"),
    [
        (BLOCK[:-1], ParseError, "ID block", "95 bytes"),
        (BLOCK + b"\0", ParseError, "ID block", "97 bytes"),
        (patched(BLOCK, 80, b"\2"), UnsupportedError, "ID block, VERSION", "2"),
    ],
)
def test_a_malformed_block(raw: bytes, wrong: type[AuditError], what: str, got: str) -> None:
    with pytest.raises(wrong) as caught:
        parse_id_block(raw)
    assert (caught.value.what, caught.value.got) == (what, got)


@pytest.mark.parametrize(
    ("raw", "wrong", "what", "got"),
    [
        (PLAIN[:-1], ParseError, "ID authentication", "4095 bytes"),
        (patched(PLAIN, 0, b"\2"), UnsupportedError, "ID authentication, ID_KEY_ALGO", "2"),
        (patched(PLAIN, 4, b"\2"), UnsupportedError, "ID authentication, AUTHOR_KEY_ALGO", "2"),
        (patched(PLAIN, 8, b"\1"), ParseError, "offset 0x8", "0x01"),
        (patched(PLAIN, 0x67F, b"\1"), ParseError, "offset 0x67f", "0x01"),
        (patched(PLAIN, 0xFFF, b"\1"), ParseError, "offset 0xfff", "0x01"),
        (patched(PLAIN, 0x680, b"\1"), ParseError, "unused author signature", "0x01"),
        (patched(PLAIN, 0x880, b"\1"), ParseError, "unused author key", "0x01"),
        (patched(PLAIN, 0x240, b"\3"), UnsupportedError, "ID key, curve", "3"),
        (patched(PLAIN, 0x244, b"\1" * 8), ParseError, "ID key", "not on the curve"),
        (patched(PLAIN, 0x643, b"\1"), ParseError, "ID key, padding", "0x01"),
        (patched(PLAIN, 0x23F, b"\1"), ParseError, "ID block signature, padding", "0x01"),
        (patched(AUTHORED, 0x87F, b"\1"), ParseError, "ID key signature, padding", "0x01"),
        (patched(AUTHORED, 0xC83, b"\1"), ParseError, "author key, padding", "0x01"),
    ],
)
def test_a_malformed_authentication(
    raw: bytes, wrong: type[AuditError], what: str, got: str
) -> None:
    with pytest.raises(wrong) as caught:
        parse_id_authentication(raw)
    assert what in caught.value.what
    assert caught.value.got == got


@given(st.integers(0, 4095), st.integers(1, 255))
def test_no_changed_byte_goes_unseen(offset: int, mask: int) -> None:
    raw = patched(AUTHORED, offset, bytes((AUTHORED[offset] ^ mask,)))
    with pytest.raises(AuditError):
        verify(raw)


def verify(raw: bytes) -> None:
    who = parse_id_authentication(raw)
    who.id_key.verify_signature(who.id_block_signature, BLOCK, what="ID block")
    if who.author_key is None or who.id_key_signature is None:
        what = "author key"
        raise VerificationError(what, expected="one", got="none")
    who.author_key.verify_signature(who.id_key_signature, who.id_key.raw, what="ID key")


def test_a_signature_of_zero_is_none() -> None:
    who = parse_id_authentication(patched(PLAIN, 0x40, bytes(144)))
    with pytest.raises(VerificationError):
        who.id_key.verify_signature(who.id_block_signature, BLOCK, what="ID block")
    assert struct.unpack_from("<Q", BLOCK, 88) == (0x30000,)
