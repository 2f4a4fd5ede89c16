from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import log, mldsa_log, signer, witness
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.tlog.note import (
    MAX_NOTE_SIZE,
    MAX_SIGNATURES,
    MAX_VKEY_SIZE,
    Algorithm,
    NoteSignature,
    VerificationKey,
    encode_note,
    key_id,
    open_note,
    parse_note,
    parse_public_key,
    parse_vkey,
)

TEXT = "one line\n\nand, after a blank one, another\n"
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SHAPE = "text, a blank line, and signature lines"
LINE = "<key name> <base64>"


def grease(name: str, filler: int = 1) -> NoteSignature:
    return NoteSignature(name=name, key_id=b"\xde\xad\xbe\xef", signature=bytes([filler]) * 7)


def vkey(name: str, kind: int, material: bytes, identifier: bytes | None = None) -> str:
    made = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + material).digest()[:4]
    encoded = base64.b64encode(bytes([kind]) + material).decode()
    return f"{name}+{(identifier or made).hex()}+{encoded}"


@pytest.fixture(scope="session")
def formats(vectors: Path) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads((vectors / "tlog/vectors_text_formats.json").read_text())[
        "signed_note"
    ]
    return signed


# Verification keys.


def test_public_vkeys(formats: dict[str, Any]) -> None:
    assert len(formats["vkeys_valid"]) >= 3
    for text in formats["vkeys_valid"]:
        assert str(parse_vkey(text)) == text
    assert len(formats["vkeys_invalid"]) >= 2
    for text in formats["vkeys_invalid"]:
        with pytest.raises(AuditError):
            parse_vkey(text)


def test_the_key_of_the_specification() -> None:
    key = parse_vkey(SPEC_VKEY)
    assert (key.name, key.key_id.hex(), key.algorithm) == ("example.com/foo", "530d903a", 1)
    assert str(key) == SPEC_VKEY


def test_a_vkey_whose_base64_has_a_plus() -> None:
    made = next(k for i in range(99) if "+" in str(k := signer(f"k{i}").key).split("+", 2)[2])
    assert parse_vkey(str(made)) == made


@pytest.mark.parametrize(
    "algorithm", [Algorithm.ED25519, Algorithm.COSIGNATURE_ED25519, Algorithm.COSIGNATURE_MLDSA44]
)
def test_key_ids_bind_name_type_and_key(algorithm: Algorithm) -> None:
    key = signer("example.com/k", algorithm).key
    hashed = b"example.com/k\n" + bytes([algorithm]) + key.public_key
    assert key.key_id == hashlib.sha256(hashed).digest()[:4]
    assert parse_vkey(str(key)) == key


def test_key_id_of_ecdsa_is_that_of_the_public_key_alone() -> None:
    spki = b"\x30\x59 some DER"
    assert key_id("any", Algorithm.ECDSA, spki) == hashlib.sha256(spki).digest()[:4]
    text = vkey("any", 2, spki, hashlib.sha256(spki).digest()[:4])
    key = parse_vkey(text)
    assert (key.algorithm, key.public_key, str(key)) == (Algorithm.ECDSA, spki, text)


@pytest.mark.parametrize("text", ["", "name", "name+00000000", "name 00000000 AQ=="])
def test_a_vkey_has_three_parts(text: str) -> None:
    with rejects(ParseError, "vkey", expected="<name>", got=re.escape(repr(text))):
        parse_vkey(text)


def test_a_vkey_is_not_endless() -> None:
    with rejects(ParseError, "vkey", expected=str(MAX_VKEY_SIZE), got=f"{MAX_VKEY_SIZE + 1} long"):
        parse_vkey("+" * (MAX_VKEY_SIZE + 1))


@pytest.mark.parametrize("identifier", ["530D903A", "530d903", "530d903a0", " 530d903a", ""])
def test_the_key_id_of_a_vkey_is_8_hex_digits(identifier: str) -> None:
    text = SPEC_VKEY.replace("530d903a", identifier)
    with rejects(ParseError, "key ID of the vkey", expected="8 lower-case", got=repr(identifier)):
        parse_vkey(text)


def test_the_key_id_of_a_vkey_is_that_of_its_key() -> None:
    with rejects(ParseError, "key ID of the vkey", expected="^530d903a$", got="^530d903b$"):
        parse_vkey(SPEC_VKEY.replace("530d903a", "530d903b"))
    with rejects(ParseError, "key ID of the vkey", expected="", got="^530d903a$"):
        parse_vkey(SPEC_VKEY.replace("foo", "fob"))


def test_the_key_of_a_vkey_is_base64() -> None:
    with rejects(ParseError, "key of the vkey", expected="canonical base64", got="AekyeRrm"):
        parse_vkey(SPEC_VKEY + "=")


@pytest.mark.parametrize(
    ("material", "got"),
    [(b"", "nothing"), (b"\x03x", "0x03"), (b"\x05x", "0x05"), (b"\xff", "0xff")],
)
def test_other_signature_types_are_not_judged(material: bytes, got: str) -> None:
    text = f"name+00000000+{base64.b64encode(material).decode()}"
    with rejects(
        UnsupportedError,
        "signature type of the vkey",
        expected="0x01 0x02 0x04 0x06",
        got=f"^{got}$",
    ):
        parse_vkey(text)


@pytest.mark.parametrize(
    "name", ["", "a b", "a\u00a0b", "a\u2003b", "a\u3000", "a\tb", "a\nb", "a\x01"]
)
def test_key_names(name: str) -> None:
    material = log().key.public_key
    with rejects(ParseError, "key name", expected="without space, plus", got=""):
        parse_vkey(vkey(name, 1, material))


def test_a_key_name_can_be_written_as_utf_8() -> None:
    with rejects(ParseError, "key name", expected="without space, plus", got=r"'a\\udcb6b'"):
        parse_public_key(
            name="a\udcb6b", algorithm=Algorithm.ED25519, public_key=log().key.public_key
        )


def test_a_key_name_has_no_plus() -> None:
    with rejects(ParseError, "key name", expected="without space, plus", got="'a\\+b'"):
        parse_public_key(name="a+b", algorithm=Algorithm.ED25519, public_key=log().key.public_key)


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [(1, 31, 32), (1, 33, 32), (4, 0, 32), (6, 1311, 1312), (6, 32, 1312), (2, 0, "more than 0")],
)
def test_sizes_of_public_keys(kind: int, size: int, expected: object) -> None:
    what = f"{Algorithm(kind).name} public key"
    with rejects(ParseError, what, expected=f"^{expected} bytes", got=f"^{size} bytes"):
        parse_vkey(vkey("n", kind, b"\x09" * size))


@pytest.mark.parametrize("kind", [1, 4])
def test_a_public_key_of_low_order_is_refused(kind: int) -> None:
    with rejects(ParseError, "Ed25519 public key", expected="large order", got="^0100"):
        parse_vkey(vkey("n", kind, (1).to_bytes(32, "little")))


def test_an_mldsa44_name_fits_its_length_byte() -> None:
    public = mldsa_log().key.public_key
    kind = Algorithm.COSIGNATURE_MLDSA44
    assert parse_public_key(name="é" * 127, algorithm=kind, public_key=public).name == "é" * 127
    with rejects(ParseError, "name of an ML-DSA-44 key", expected="at most 255 bytes", got="éé"):
        parse_public_key(name="é" * 128, algorithm=kind, public_key=public)


# Notes.


def test_public_notes(formats: dict[str, Any]) -> None:
    assert len(formats["notes"]) >= 3
    for case in formats["notes"]:
        raw = case["note"].encode()
        note = parse_note(raw)
        opened = open_note(note, key=parse_vkey(case["vkey"]))
        assert opened.note.text == case["text"]
        assert encode_note(note.text, note.signatures) == raw == note.raw
        others = [parse_vkey(v) for v in formats["vkeys_valid"] if v != case["vkey"]]
        for key in others:
            with pytest.raises(VerificationError):
                open_note(note, key=key)


def test_the_text_ends_at_the_last_blank_line() -> None:
    raw = encode_note(TEXT, (log().sign_text(TEXT),))
    note = parse_note(raw)
    assert note.text == TEXT
    assert open_note(note, key=log().key).key == log().key


def test_unknown_signatures_are_ignored() -> None:
    key = log().key
    same_name = NoteSignature(name=key.name, key_id=b"\0\0\0\1", signature=b"x" * 64)
    same_id = NoteSignature(name="other", key_id=key.key_id, signature=b"x" * 64)
    signatures = (grease("g"), same_name, log().sign_text(TEXT), same_id, grease("ü/☃", 2))
    note = parse_note(encode_note(TEXT, signatures))
    assert open_note(note, key=key).note.signatures == signatures
    assert note.signatures_of(key) == (signatures[2],)


@pytest.mark.parametrize("count", [16, MAX_SIGNATURES])
def test_many_signatures_are_read(count: int) -> None:
    signatures = [grease(f"g{n}") for n in range(count - 1)] + [log().sign_text(TEXT)]
    note = parse_note(encode_note(TEXT, signatures))
    assert open_note(note, key=log().key).note == note
    assert len(note.signatures) == count


def test_too_many_signatures() -> None:
    line = "— g 3q2+7wE=\n"
    with rejects(ParseError, "note", expected=f"most {MAX_SIGNATURES} sig", got="^101 signatures"):
        parse_note(f"text\n\n{line * (MAX_SIGNATURES + 1)}".encode())


def test_a_note_is_not_endless() -> None:
    with rejects(ParseError, "note", expected=f"most {MAX_NOTE_SIZE} bytes", got="524289 bytes"):
        parse_note(b"x" * (MAX_NOTE_SIZE + 1))


def test_a_note_is_utf8() -> None:
    with rejects(ParseError, "note", expected="UTF-8", got="byte 2 is not"):
        parse_note(b"ab\xff\n\n\xe2\x80\x94 g 3q2+7wE=\n")


@pytest.mark.parametrize("character", ["\x00", "\t", "\r", "\x1f"])
def test_a_note_has_no_control_character(character: str) -> None:
    with rejects(ParseError, "note", expected="no control", got=repr(repr(character))[1:-1]):
        parse_note(f"a{character}\n\n— g 3q2+7wE=\n".encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n— g 3q2+7wE=\n",
        "— g 3q2+7wE=\n",
        "text\n\n",
        "text\n\n— g 3q2+7wE=",
        "text\n\n— g 3q2+7wE=\n\n",
        "text",
    ],
)
def test_what_is_no_note(text: str) -> None:
    with rejects(ParseError, "note", expected=SHAPE, got=""):
        parse_note(text.encode())


@pytest.mark.parametrize(
    "line",
    [
        "- g 3q2+7wE=",
        "—g 3q2+7wE=",
        "\u2014\u00a0g 3q2+7wE=",
        " — g 3q2+7wE=",
        "— g",
        "— g 3q2+7wE= ",
        "— g  3q2+7wE=",
        "— g h 3q2+7wE=",
        "junk",
    ],
)
def test_what_is_no_signature_line(line: str) -> None:
    for block in (f"{line}\n", f"— g 3q2+7wE=\n{line}\n", f"{line}\n— g 3q2+7wE=\n"):
        with rejects(ParseError, "signature line of the note", expected=LINE, got=""):
            parse_note(f"text\n\n{block}".encode())


@pytest.mark.parametrize("name", ["g+h", "g\u2003h", ""])
def test_the_name_of_a_signature_line(name: str) -> None:
    what = "signature line of the note"
    with rejects(ParseError, what, expected="a key name without space, plus", got=""):
        parse_note(f"text\n\n— {name} 3q2+7wE=\n".encode())


@pytest.mark.parametrize("encoded", ["3q2+7wF=", "3q2+7wE", "3q2-7wE=", "3q2+7wE=="])
def test_the_base64_of_a_signature_line(encoded: str) -> None:
    with rejects(ParseError, "signature line of the note", expected="canonical base64", got="3q2"):
        parse_note(f"text\n\n— g {encoded}\n".encode())


@pytest.mark.parametrize(("encoded", "size"), [("3q2+7w==", 4), ("3q0=", 2), ("", 0)])
def test_a_signature_line_has_a_signature(encoded: str, size: int) -> None:
    what = "signature line of the note"
    with rejects(ParseError, what, expected="a key ID of 4 bytes and", got=f"{size} bytes"):
        parse_note(f"text\n\n— g {encoded}\n".encode())


@pytest.mark.parametrize(
    ("text", "signatures"),
    [
        ("no newline", (grease("g"),)),
        ("text\n", ()),
        ("a\tb\n", (grease("g"),)),
        ("text\n", (grease("g h"),)),
        ("text\n", (NoteSignature(name="g", key_id=b"123", signature=b"4567"),)),
        ("", (grease("g"),)),
        ("x" * MAX_NOTE_SIZE + "\n", (grease("g"),)),
    ],
)
def test_what_no_note_can_hold(text: str, signatures: tuple[NoteSignature, ...]) -> None:
    with pytest.raises(ValueError, match="note"):
        encode_note(text, signatures)


# Opening.


@pytest.mark.parametrize("key", [witness("w").key, mldsa_log().key])
def test_only_plain_signatures_open_a_note(key: VerificationKey) -> None:
    note = parse_note(encode_note(TEXT, (log().sign_text(TEXT),)))
    got = f"0x{int(key.algorithm):02x}"
    with rejects(UnsupportedError, f"key {key.name}", expected="type 0x01", got=got):
        open_note(note, key=key)


def test_ecdsa_is_recognised_and_not_judged() -> None:
    key = parse_public_key(name="e", algorithm=Algorithm.ECDSA, public_key=b"\x30\x00")
    note = parse_note(encode_note(TEXT, (log().sign_text(TEXT),)))
    with rejects(UnsupportedError, "key e", expected="type 0x01", got="0x02"):
        open_note(note, key=key)


def test_the_key_must_have_signed() -> None:
    note = parse_note(encode_note(TEXT, (grease("g"),)))
    key = log().key
    with rejects(VerificationError, "note", expected=f"{key.key_id.hex()}", got="^none$"):
        open_note(note, key=key)


def test_name_and_key_id_must_both_match() -> None:
    real = log().sign_text(TEXT)
    for wrong in (
        NoteSignature(name="example.com/other", key_id=real.key_id, signature=real.signature),
        NoteSignature(name=real.name, key_id=b"\0\0\0\0", signature=real.signature),
    ):
        note = parse_note(encode_note(TEXT, (wrong,)))
        with rejects(VerificationError, "note", expected=log().key.key_id.hex(), got="^none$"):
            open_note(note, key=log().key)


@pytest.mark.parametrize("order", [1, -1])
def test_one_bad_signature_of_a_known_key_rejects_the_note(order: int) -> None:
    bad = log().line(bytes(64))
    signatures = (log().sign_text(TEXT), bad)[::order]
    note = parse_note(encode_note(TEXT, signatures))
    with rejects(
        VerificationError,
        f"signature of {log().key.name}",
        expected="a valid Ed25519 signature",
        got="does not verify",
    ):
        open_note(note, key=log().key)


def test_another_text_is_not_signed() -> None:
    note = parse_note(encode_note("other\n", (log().sign_text(TEXT),)))
    with rejects(
        VerificationError, f"signature of {log().key.name}", expected="valid", got="not verify"
    ):
        open_note(note, key=log().key)
