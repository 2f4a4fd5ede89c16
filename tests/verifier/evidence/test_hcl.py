from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic_hcl import claims, container, jwk, modulus, vtpm_key
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.evidence.hcl import MAX_SIZE, VtpmKey, parse_hcl

GOOD = container()


def runtime(**changes: Any) -> bytes:
    return json.dumps(claims(**changes)).encode()


def test_a_container_is_read() -> None:
    hcl = parse_hcl(GOOD)
    assert (hcl.version, hcl.report) == (2, GOOD[32:1216])
    assert hcl.claims_raw == runtime()
    assert hcl.claims.attestation_key == VtpmKey(modulus(vtpm_key()), "sign")
    assert hcl.claims.endorsement_key == VtpmKey(modulus(vtpm_key(1)), "encrypt")
    assert hcl.claims.vm_configuration == (
        ("console-enabled", True),
        ("vmUniqueId", "0A"),
        ("current-time", 7),
    )
    assert hcl.claims.user_supplied == b"\x0a" * 64


def test_the_old_form_is_read() -> None:
    raw = runtime(keys=[jwk("HCLAkPub", "encrypt")], **{"user-data": ...})
    hcl = parse_hcl(container(raw, header={4: 1}, padding=b""))
    assert hcl.version == 1
    assert hcl.claims.attestation_key.use == "encrypt"
    assert (hcl.claims.endorsement_key, hcl.claims.user_supplied) == (None, None)


END = 1236 + len(runtime())


@pytest.mark.parametrize(
    ("raw", "expected", "got"),
    [
        (b"", "1237 to 16384 bytes", "0 bytes"),
        (GOOD[:1236], "1237 to 16384 bytes", "1236 bytes"),
        (GOOD.ljust(MAX_SIZE + 1, b"\0"), "1237 to 16384 bytes", "16385 bytes"),
        (b"hcla" + GOOD[4:], "HCLA", "b'hcla'"),
        (container(header={16: 1}), "status 0, reserved bytes zero", f"status 1, {'reserved'}"),
        (container(header={28: 1}), "status 0, reserved bytes zero", "01000000"),
        (container(header={8: END + 1}), "sizes of", f"in a report of {END + 1}"),
        (container(header={8: END - 1}), "sizes of", f"in a report of {END - 1}"),
        (container(header={1216: 19}), "sizes of", "19, in a report of"),
        (container(header={1232: END - 1236 + 1}), "sizes of", "in a report of"),
        (container(header={1232: 2**32 - 1}), "sizes of", "in a report of"),
        (container(header={1216: 20, 1232: 0, 8: 1236}), "sizes of 0 bytes", "20, in a report of"),
        (GOOD[: END - 1], "sizes of", "in a report of"),
        (container(padding=b"\0\0\x07"), f"zeros from {END:#x} on", f"0x07 at offset {END + 2:#x}"),
    ],
)
def test_a_container_that_does_not_add_up_is_refused(raw: bytes, expected: str, got: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_hcl(raw)
    assert caught.value.what.startswith("HCL report")
    assert caught.value.expected.startswith(expected)
    assert got in caught.value.got


@pytest.mark.parametrize(
    ("header", "expected", "got"),
    [
        ({4: 0}, "version 1 or 2", "version 0"),
        ({4: 3}, "version 1 or 2", "version 3"),
        ({12: 1}, "request type 2", "1"),
        ({1220: 2}, "version 1", "2"),
        ({1224: 4}, "report type 2", "4"),
        ({1228: 2}, "hash type 1", "2"),
    ],
)
def test_another_kind_of_container_is_unsupported(
    header: dict[int, int], expected: str, got: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse_hcl(container(header=header))
    assert (caught.value.expected, caught.value.got) == (expected, got)


AK, EK = jwk("HCLAkPub", "sign"), jwk("HCLEkPub", "encrypt")
KEYS = "HCLAkPub once, HCLEkPub at most once"
EVEN = "gA" + "A" * 340


@pytest.mark.parametrize(
    ("changes", "expected", "got"),
    [
        ({"keys": []}, KEYS, "none"),
        ({"keys": [EK]}, KEYS, "HCLEkPub"),
        ({"keys": [AK, AK]}, KEYS, "HCLAkPub HCLAkPub"),
        ({"keys": [AK, EK, EK]}, KEYS, "HCLAkPub HCLEkPub HCLEkPub"),
        ({"keys": [AK, AK | {"kid": "Other"}]}, "HCLAkPub or HCLEkPub", "'Other'"),
        ({"keys": [AK | {"key_ops": ["sign", "verify"]}]}, "sign or encrypt", "sign, verify"),
        ({"keys": [AK | {"key_ops": ["verify"]}]}, "sign or encrypt", "verify"),
        ({"keys": [AK, EK | {"key_ops": ["sign"]}]}, "encrypt", "sign"),
        ({"keys": [AK | {"key_ops": []}]}, "1 to 1024 members", "0"),
        ({"keys": [AK | {"kty": "EC"}]}, "RSA", "'EC'"),
        ({"keys": [AK | {"e": "Aw"}]}, "AQAB", "'Aw'"),
        ({"keys": [AK | {"n": AK["n"] + "="}]}, "text like", ""),
        ({"keys": [AK | {"n": AK["n"][:-2]}]}, "canonical base64 of 256 bytes", ""),
        ({"keys": [AK | {"n": "A" * 341 + "Q"}]}, "an odd number of 2048 bits", "AAAA"),
        ({"keys": [AK | {"n": EVEN}]}, "an odd number of 2048 bits", "gAAA"),
        ({"keys": [AK | {"alg": "RS256"}]}, "no unknown member", "'alg'"),
        ({"vm-configuration": ...}, "the member", "it is missing"),
        ({"vm-configuration": {"a": [1]}}, "a string, number or boolean", "list"),
        ({"vm-configuration": {"a": None}}, "a string, number or boolean", "NoneType"),
        ({"user-data": "0a" * 64}, "text like", "'0a0a"),
        ({"user-data": "0A" * 63}, "text like", "'0A0A"),
        ({"more": 1}, "no unknown member", "'more'"),
    ],
)
def test_malformed_claims_are_refused(changes: dict[str, Any], expected: str, got: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_hcl(container(runtime(**changes)))
    assert caught.value.expected.startswith(expected)
    assert caught.value.got.startswith(got)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"keys":[],"keys":[]}', b'{"keys":1.5}', b"\xff"])
def test_claims_that_are_no_strict_json_are_refused(raw: bytes) -> None:
    with pytest.raises(ParseError):
        parse_hcl(container(raw))


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(AuditError):
        parse_hcl(raw)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_other_byte_is_seen_or_lies_in_report_or_claims(offset: int, flip: int) -> None:
    raw = bytearray(GOOD)
    raw[offset] ^= flip
    try:
        hcl = parse_hcl(bytes(raw))
    except (ParseError, UnsupportedError):
        return
    version = 4 <= offset < 8  # 1 and 2 are both known
    assert version or 32 <= offset < 1216 or 1236 <= offset < END
    assert version or (hcl.report, hcl.claims_raw) != (GOOD[32:1216], runtime())
