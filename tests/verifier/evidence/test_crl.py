"""CRLs: the two genuine ones against another reader, and made ones with one thing wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.platform.der_writer import bit_string, element, explicit, integer, sequence, time
from pipeline.platform.simulated_certificate import PSS_SHA384, RawExtension, write_extensions
from pipeline.platform.simulated_crl import CrlFields, crl_number, make_crl
from tests.synthetic_amd import NOW, ca_keys
from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.evidence.crl import MAX_CRL_SIZE, MAX_REVOKED, Crl, parse_crl
from verifier.roots.amd_name import amd_name

KEY = ca_keys()[0]
FIELDS = CrlFields(
    issuer=amd_name("ARK-Milan"),
    this_update=NOW,
    next_update=NOW + timedelta(days=365),
    revoked=((0x10001, NOW), (0x10101, NOW + timedelta(days=1))),
    extensions=(crl_number(7),),
)
GENUINE = ("genoa", "milan")


def made(**changes: Any) -> bytes:
    return make_crl(replace(FIELDS, **changes), signer=KEY)


def parts(
    *,
    version: bytes = integer(1),
    inner: bytes = PSS_SHA384,
    outer: bytes = PSS_SHA384,
    signature: bytes = bit_string(bytes(512)),
    issuer: bytes = FIELDS.issuer,
    this_update: bytes = time(NOW),
    next_update: bytes = time(NOW + timedelta(days=365)),
    revoked: bytes = b"",
    extensions: bytes = explicit(0, write_extensions(FIELDS.extensions)),
    after: bytes = b"",
) -> bytes:
    """A CRL put together by hand; its signature is not one."""
    tbs = version + inner + issuer + this_update + next_update + revoked + extensions
    return sequence(sequence(tbs + after) + outer + signature)


def entry(serial: bytes = integer(5), at: bytes = time(NOW), rest: bytes = b"") -> bytes:
    return sequence(serial + at + rest)


def extension(arcs: tuple[int, ...], *, critical: bool = False) -> RawExtension:
    return RawExtension(arcs, integer(1), critical=critical)


def agrees_with_the_oracle(crl: Crl) -> bool:
    other = x509.load_der_x509_crl(crl.raw)
    number = other.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    listed = tuple((each.serial_number, each.revocation_date_utc) for each in other)
    assert crl.tbs == other.tbs_certlist_bytes
    assert crl.signature == other.signature
    assert crl.issuer == other.issuer.public_bytes()
    assert (crl.this_update, crl.next_update) == (other.last_update_utc, other.next_update_utc)
    assert crl.number == number
    assert tuple((each.serial, each.since) for each in crl.revoked) == listed
    return True


@pytest.fixture(params=GENUINE)
def genuine(request: pytest.FixtureRequest, vectors: Path) -> bytes:
    return (vectors / "snp" / "crl" / f"{request.param}.crl").read_bytes()


def test_genuine_lists_read_as_another_reader_reads_them(genuine: bytes) -> None:
    assert agrees_with_the_oracle(parse_crl(genuine))


def test_what_the_genuine_lists_say(vectors: Path) -> None:
    genoa = parse_crl((vectors / "snp" / "crl" / "genoa.crl").read_bytes())
    milan = parse_crl((vectors / "snp" / "crl" / "milan.crl").read_bytes())
    assert (genoa.number, genoa.issuer) == (4, amd_name("ARK-Genoa"))
    assert [each.serial for each in genoa.revoked] == [0x020001]
    assert genoa.revoked[0].since == datetime(2022, 10, 31, 12, tzinfo=UTC)
    assert (milan.number, milan.issuer, milan.revoked) == (6, amd_name("ARK-Milan"), ())


def test_a_made_list_reads_as_another_reader_reads_it() -> None:
    crl = parse_crl(made())
    assert agrees_with_the_oracle(crl)
    assert [each.serial for each in crl.revoked] == [0x10001, 0x10101]


def test_every_cut_of_a_genuine_list_is_refused(genuine: bytes) -> None:
    for size in range(len(genuine)):
        with rejects(ParseError, "CRL", expected="DER of this shape", got="something else"):
            parse_crl(genuine[:size])
    with rejects(ParseError, "CRL", expected="DER of this shape", got="ExtraData"):
        parse_crl(genuine + b"\0")


def test_no_changed_byte_goes_unseen(genuine: bytes) -> None:
    """A change is refused, or stands in the bytes that are signed or in the signature."""
    good = parse_crl(genuine)
    for place in range(len(genuine)):
        bad = bytearray(genuine)
        bad[place] ^= 1
        try:
            crl = parse_crl(bytes(bad))
        except (ParseError, UnsupportedError):
            continue
        assert (crl.tbs, crl.signature) != (good.tbs, good.signature), place


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_garbage(data: st.DataObject) -> None:
    raw = bytearray(made())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        crl = parse_crl(bytes(raw))
    except AuditError:
        return
    assert crl.raw == bytes(raw)
    assert crl.tbs in crl.raw
    assert crl.signature in crl.raw


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**159 - 1),
            st.datetimes(datetime(1951, 1, 1), datetime(2098, 1, 1)).map(  # noqa: DTZ001 - made aware next
                lambda at: at.replace(microsecond=0, tzinfo=UTC)
            ),
        ),
        unique_by=lambda pair: pair[0],
        max_size=20,
    ),
    st.integers(0, 2**159 - 1),
)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read(revoked: list[tuple[int, datetime]], number: int) -> None:
    crl = parse_crl(made(revoked=tuple(revoked), extensions=(crl_number(number),)))
    assert [(each.serial, each.since) for each in crl.revoked] == revoked
    assert crl.number == number


def test_limits_come_first() -> None:
    with rejects(ParseError, "CRL", expected=f"at most {MAX_CRL_SIZE} bytes", got="65537 bytes"):
        parse_crl(bytes(MAX_CRL_SIZE + 1))
    entries = b"".join(entry(integer(serial)) for serial in range(MAX_REVOKED + 1))
    what = "CRL, revokedCertificates"
    with rejects(ParseError, what, expected="1 to 1024, or absent", got="1025"):
        parse_crl(parts(revoked=sequence(entries)))


def test_pem_is_named_with_the_command_that_converts_it() -> None:
    with pytest.raises(ParseError) as caught:
        parse_crl(b"-----BEGIN X509 CRL-----\n")
    assert (caught.value.got, caught.value.expected) == ("PEM", "DER")
    assert caught.value.hint == "openssl crl -in FILE -outform der converts it"


OTHER_RSA = sequence(element(0x06, bytes.fromhex("2a864886f70d01010c")) + element(0x05, b""))
REFUSED: dict[str, tuple[bytes, str, str, str]] = {
    "version 1": (parts(version=integer(0)), "CRL, version", "1 (v2)", "0"),
    "version 3": (parts(version=integer(2)), "CRL, version", "1 (v2)", "2"),
    "no version": (parts(version=b""), "CRL", "DER of this shape", "something else"),
    "algorithm": (
        parts(inner=OTHER_RSA, outer=OTHER_RSA),
        "CRL, signature algorithm",
        "RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48",
        "06092a864886f70d01010c",
    ),
    "two algorithms": (
        parts(outer=OTHER_RSA),
        "CRL, signature algorithm",
        "the same inside and outside",
        "two different ones",
    ),
    "signature": (
        parts(signature=bit_string(bytes(511))),
        "CRL, signature algorithm",
        "512 bytes",
        "511 bytes, 0 bits unused",
    ),
    "issuer": (parts(issuer=element(0x31, b"")), "CRL, issuer", "a SEQUENCE", "tag 0x31"),
    "no nextUpdate": (made(next_update=None), "CRL, nextUpdate", "an instant", "it is missing"),
    "order": (
        made(next_update=NOW - timedelta(seconds=1)),
        "CRL, nextUpdate",
        "2026-11-21T12:00:00",
        "2026-11-21T11:59:59",
    ),
    "thisUpdate": (
        parts(this_update=element(0x18, b"20260101000000Z")),
        "CRL, thisUpdate",
        "UTCTime before 2050",
        "2026-01-01",
    ),
    "no extensions": (parts(extensions=b""), "CRL", "DER of this shape", "something else"),
    "no number": (made(extensions=()), "CRL, cRLNumber", "one", "none"),
    "number": (
        made(extensions=(RawExtension((2, 5, 29, 20), b"\x02\x01\xff"),)),
        "CRL, cRLNumber",
        "0 or more, of at most 20 bytes",
        "-0x1",
    ),
    "huge number": (
        made(extensions=(crl_number(2**160),)),
        "CRL, cRLNumber",
        "0 or more, of at most 20 bytes",
        "0x10000",
    ),
    "wide number": (
        made(extensions=(RawExtension((2, 5, 29, 20), b"\x02\x02\x00\x01"),)),
        "CRL, cRLNumber",
        "DER of this shape",
        "InvalidValue",
    ),
    "number twice": (
        made(extensions=(crl_number(1), crl_number(2))),
        "CRL, extensions",
        "each extension once",
        "2.5.29.20 twice",
    ),
    "empty list": (
        parts(revoked=sequence(b"")),
        "CRL, revokedCertificates",
        "1 to 1024, or absent",
        "0",
    ),
    "serial twice": (
        made(revoked=((5, NOW), (6, NOW), (5, NOW))),
        "CRL, revokedCertificates",
        "each serial number once",
        "0x5 twice",
    ),
    "negative serial": (
        parts(revoked=sequence(entry(b"\x02\x01\xff"))),
        "CRL, revokedCertificates[0]",
        "0 or more, of at most 20 bytes",
        "-0x1",
    ),
    "revocation date": (
        parts(revoked=sequence(entry(at=element(0x18, b"20260101000000Z")))),
        "CRL, revokedCertificates[0]",
        "UTCTime before 2050",
        "2026-01-01",
    ),
    "more at the end": (parts(after=integer(1)), "CRL", "DER of this shape", "ExtraData"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_profile_does_not_allow(case: str) -> None:
    raw, what, expected, got = REFUSED[case]
    with pytest.raises(ParseError) as caught:
        parse_crl(raw)
    assert caught.value.what == what
    assert expected in caught.value.expected
    assert got in caught.value.got


UNSUPPORTED = {
    "unknown critical": ((1, 2, 3), True),
    "delta": ((2, 5, 29, 27), False),
    "part of a list": ((2, 5, 29, 28), False),
}
COMPLETE = "a complete list, and no critical extension of unknown meaning"


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_an_extension_that_changes_the_meaning(case: str) -> None:
    arcs, critical = UNSUPPORTED[case]
    raw = made(extensions=(crl_number(1), extension(arcs, critical=critical)))
    got = ".".join(map(str, arcs))
    with rejects(UnsupportedError, "CRL, extensions", expected=COMPLETE, got=f"^{got}$"):
        parse_crl(raw)


@pytest.mark.parametrize(("arcs", "critical"), [((2, 5, 29, 29), False), ((1, 2, 3), True)])
def test_an_extension_that_changes_the_meaning_of_one_entry(
    arcs: tuple[int, ...], critical: bool
) -> None:
    listed = entry(rest=write_extensions((extension(arcs, critical=critical),)))
    what = "CRL, revokedCertificates[0], extensions"
    with rejects(UnsupportedError, what, expected=COMPLETE, got=".".join(map(str, arcs))):
        parse_crl(parts(revoked=sequence(listed)))


def test_extensions_that_only_inform_are_passed_over() -> None:
    reason = RawExtension((2, 5, 29, 21), element(0x0A, b"\x01"))
    listed = entry(rest=write_extensions((reason,)))
    known = (extension((2, 5, 29, 35)), extension((1, 2, 3)), crl_number(9))
    raw = parts(revoked=sequence(listed), extensions=explicit(0, write_extensions(known)))
    crl = parse_crl(raw)
    assert (crl.number, [each.serial for each in crl.revoked]) == (9, [5])
