from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.platform.der_writer import (
    bit_string,
    element,
    explicit,
    integer,
    name,
    object_identifier,
    sequence,
    time,
)
from pipeline.platform.simulated_certificate import (
    CertificateFields,
    ca_extensions,
    make_certificate,
)
from tests.synthetic_amd import START, ca_keys
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.evidence.der import (
    MAX_CERTIFICATE_SIZE,
    common_name,
    decode,
    parse_certificate,
    replace_common_name,
)
from verifier.roots.amd_name import amd_name

WHAT = "a certificate"
KEY = ca_keys()[0]
FIELDS = CertificateFields(
    serial=0,
    issuer=amd_name("ARK-Milan"),
    subject=amd_name("SEV-Milan"),
    not_before=START,
    not_after=START + timedelta(days=30),
    key=KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    extensions=ca_extensions(),
)
SHA256 = (2, 16, 840, 1, 101, 3, 4, 2, 1)
SHA384 = (2, 16, 840, 1, 101, 3, 4, 2, 2)


def pss(digest: tuple[int, ...] = SHA384, salt: int = 48, *, trailer: bool = False) -> bytes:
    hashed = sequence(object_identifier(digest) + element(0x05, b""))
    mask = sequence(object_identifier((1, 2, 840, 113549, 1, 1, 8)) + hashed)
    parameters = explicit(0, hashed) + explicit(1, mask) + explicit(2, integer(salt))
    if trailer:
        parameters += explicit(3, integer(1))
    return sequence(object_identifier((1, 2, 840, 113549, 1, 1, 10)) + sequence(parameters))


def certificate(**changes: object) -> bytes:
    return make_certificate(replace(FIELDS, **changes), signer=KEY)  # type: ignore[arg-type] # any field


def parts(
    *,
    version: bytes = explicit(0, integer(2)),
    serial: bytes = integer(0),
    inner: bytes = pss(),
    outer: bytes = pss(),
    signature: bytes = bit_string(bytes(512)),
    issuer: bytes = FIELDS.issuer,
    validity: bytes = sequence(time(FIELDS.not_before) + time(FIELDS.not_after)),
    after: bytes = b"",
) -> bytes:
    """A certificate put together by hand; its signature is not one."""
    extensions = explicit(3, sequence(b""))
    tbs = version + serial + inner + issuer + validity + FIELDS.subject + FIELDS.key + extensions
    return sequence(sequence(tbs + after) + outer + signature)


def test_the_parts_of_a_certificate() -> None:
    raw = certificate()
    parsed = parse_certificate(raw, what=WHAT)
    assert parsed.raw == raw
    assert parsed.tbs == raw[4 : 4 + len(parsed.tbs)]
    assert parsed.tbs[:2] == b"\x30\x82"
    assert raw.endswith(parsed.signature)
    assert len(parsed.signature) == 512
    assert (parsed.issuer, parsed.subject) == (FIELDS.issuer, FIELDS.subject)
    assert (parsed.not_before, parsed.not_after) == (FIELDS.not_before, FIELDS.not_after)
    assert parsed.key == FIELDS.key
    assert [extension.critical for extension in parsed.extensions] == [True, True]
    assert parsed.extensions[0].oid.dotted_string == "2.5.29.19"


@pytest.mark.parametrize("serial", [0, 1, 0x7F, 0x80, 2**159])
def test_the_serial_number_may_be_zero(serial: int) -> None:
    assert parse_certificate(parts(serial=integer(serial)), what=WHAT).serial == serial


@pytest.mark.parametrize("trailer", [False, True])
def test_both_encodings_of_the_algorithm_are_taken(trailer: bool) -> None:
    raw = certificate(algorithm=pss(trailer=trailer))
    assert parse_certificate(raw, what=WHAT).subject == FIELDS.subject


OTHER_ALGORITHMS = {
    "sha256": pss(SHA256),
    "salt": pss(salt=32),
    "pkcs1": sequence(object_identifier((1, 2, 840, 113549, 1, 1, 12)) + element(0x05, b"")),
    "set": b"\x31" + pss()[1:],
}


@pytest.mark.parametrize("kind", OTHER_ALGORITHMS)
def test_another_algorithm_is_refused(kind: str) -> None:
    algorithm = OTHER_ALGORITHMS[kind]
    what = f"{WHAT}, signature algorithm"
    with rejects(ParseError, what, expected="RSASSA-PSS, SHA-384", got="[0-9a-f]{20}"):
        parse_certificate(parts(inner=algorithm, outer=algorithm), what=WHAT)
    with rejects(ParseError, what, expected="RSASSA-PSS, SHA-384", got="[0-9a-f]{20}"):
        parse_certificate(parts(inner=algorithm), what=WHAT)
    with rejects(ParseError, what, expected="the same inside and outside", got="different"):
        parse_certificate(parts(outer=algorithm), what=WHAT)


def test_the_algorithm_is_written_one_way() -> None:
    what = f"{WHAT}, signature algorithm"
    with rejects(ParseError, what, expected="the same inside and outside", got="different"):
        parse_certificate(parts(outer=pss(trailer=True)), what=WHAT)


@pytest.mark.parametrize(
    ("signature", "got"),
    [
        (bit_string(bytes(511)), "511 bytes, 0 bits"),
        (bit_string(bytes(513)), "513 bytes, 0 bits"),
        (element(0x03, b"\x01" + bytes(512)), "512 bytes, 1 bits"),
    ],
)
def test_a_signature_is_512_whole_bytes(signature: bytes, got: str) -> None:
    with rejects(ParseError, f"{WHAT}, signature algorithm", expected="512 bytes", got=got):
        parse_certificate(parts(signature=signature), what=WHAT)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_only_version_3_is_taken(version: int) -> None:
    raw = parts(version=explicit(0, integer(version)))
    with rejects(ParseError, f"{WHAT}, version", expected=r"2 \(v3\)", got=f"^{version}$"):
        parse_certificate(raw, what=WHAT)


@pytest.mark.parametrize("serial", [element(0x02, b"\x80"), integer(2**160)])
def test_an_impossible_serial_number_is_refused(serial: bytes) -> None:
    with rejects(ParseError, f"{WHAT}, serial number", expected="at most 20 bytes", got="0x"):
        parse_certificate(parts(serial=serial), what=WHAT)


def test_a_large_certificate_is_not_looked_at() -> None:
    raw = bytes(MAX_CERTIFICATE_SIZE + 1)
    with rejects(ParseError, WHAT, expected="at most 8192 bytes", got="8193 bytes"):
        parse_certificate(raw, what=WHAT)


GOOD = parts()
NOT_DER = {
    "empty": b"",
    "trailing byte": GOOD + b"\0",
    "cut": GOOD[:-1],
    "indefinite length": b"\x30\x80" + GOOD[4:] + b"\0\0",
    "long length": b"\x30\x83\x00" + GOOD[2:],
    "padded serial": parts(serial=b"\x02\x02\x00\x05"),
    "empty serial": parts(serial=b"\x02\x00"),
    "no version": parts(version=b""),
    "something after the extensions": parts(after=integer(1)),
    "default written out": parts(version=explicit(0, integer(2)) + integer(0)),
    "another tag": b"\x31" + GOOD[1:],
    "a time without seconds": parts(
        validity=sequence(element(0x17, b"2601010000Z") + time(FIELDS.not_after))
    ),
    "a time with an offset": parts(
        validity=sequence(element(0x17, b"260101000000+0100") + time(FIELDS.not_after))
    ),
    "a time that is not": parts(
        validity=sequence(element(0x17, b"260230000000Z") + time(FIELDS.not_after))
    ),
}


@pytest.mark.parametrize("case", NOT_DER)
def test_what_is_not_strict_der_is_refused(case: str) -> None:
    with rejects(ParseError, WHAT, expected="DER", got="."):
        parse_certificate(NOT_DER[case], what=WHAT)


def test_a_name_is_a_sequence() -> None:
    with rejects(ParseError, f"{WHAT}, issuer", expected="a SEQUENCE", got="tag 0x31"):
        parse_certificate(parts(issuer=b"\x31" + FIELDS.issuer[1:]), what=WHAT)


@pytest.mark.parametrize(
    ("not_before", "not_after"),
    [
        (element(0x18, b"20260101000000Z"), time(FIELDS.not_after)),
        (time(START), element(0x18, b"20491231235959Z")),
    ],
)
def test_a_generalized_time_begins_in_2050(not_before: bytes, not_after: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse_certificate(parts(validity=sequence(not_before + not_after)), what=WHAT)
    assert caught.value.what in (f"{WHAT}, notBefore", f"{WHAT}, notAfter")
    assert caught.value.expected.startswith("UTCTime before 2050")


def test_times_from_2050_on_are_read() -> None:
    late = datetime(2051, 6, 1, 12, tzinfo=UTC)
    assert parse_certificate(certificate(not_after=late), what=WHAT).not_after == late


def test_a_time_has_whole_seconds() -> None:
    validity = sequence(time(START) + element(0x18, b"20510101000000.5Z"))
    with rejects(ParseError, f"{WHAT}, notAfter", expected="whole seconds", got="2051"):
        parse_certificate(parts(validity=validity), what=WHAT)


@pytest.mark.parametrize("text", ["ARK-Milan", "SEV-VLEK-Genoa", "x"])
def test_the_common_name_ends_a_name(text: str) -> None:
    assert common_name(amd_name(text), what=WHAT) == text
    assert common_name(name("somebody", text), what=WHAT) == text


@pytest.mark.parametrize(
    "der",
    [
        b"",
        sequence(b""),
        amd_name("ARK-Milan") + b"\0",
        amd_name("ARK-Milan")[:-1],
        amd_name("ARK-Milan").replace(b"\x0c\x09ARK", b"\x16\x09ARK"),
        amd_name("x")[:-1] + b"x" * 300,
    ],
)
def test_a_name_without_common_name_at_its_end_is_refused(der: bytes) -> None:
    with rejects(ParseError, WHAT, expected="ends with a common name", got=""):
        common_name(der, what=WHAT)


def test_a_common_name_is_ascii() -> None:
    with rejects(ParseError, WHAT, expected="ASCII", got="c3a4"):
        common_name(amd_name("xy").replace(b"xy", "ä".encode()), what=WHAT)


@pytest.mark.parametrize("text", ["SEV-VCEK", "a much longer name than before", "s"])
def test_a_common_name_can_be_replaced(text: str) -> None:
    assert replace_common_name(amd_name("SEV-Milan"), text, what=WHAT) == amd_name(text)
    assert replace_common_name(amd_name("SEV-VLEK-Milan"), text, what=WHAT) == amd_name(text)


def test_a_shared_relative_name_is_not_replaced() -> None:
    attribute = object_identifier((2, 5, 4, 3)) + element(0x0C, b"x")
    der = sequence(element(0x31, sequence(attribute) + sequence(attribute)))
    with rejects(ParseError, WHAT, expected="a common name of its own", got="30"):
        replace_common_name(der, "y", what=WHAT)


def test_decode_reads_exactly_one_value() -> None:
    assert decode(int, integer(200), what=WHAT) == 200
    with rejects(ParseError, WHAT, expected="DER", got="ExtraData"):
        decode(int, integer(200) + b"\0", what=WHAT)


def test_pem_is_refused_with_the_way_to_convert_it() -> None:
    with pytest.raises(ParseError) as caught:
        parse_certificate(b"-----BEGIN CERTIFICATE-----\nMIIB\n", what="VEK certificate")
    assert (caught.value.expected, caught.value.got) == ("DER", "PEM")
    assert caught.value.hint.startswith("openssl x509")
