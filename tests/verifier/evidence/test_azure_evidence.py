from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import changed
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.evidence.azure_evidence import MAX_SIZE, AzureEvidence, parse_azure_evidence

PARTS = AzureEvidence(
    hcl=b"\xfb\xff" * 50,
    quote=b"quote",
    signature=b"\x00" * 256,
    pcrs=tuple(bytes([index]) * 32 for index in range(24)),
    vek=b"\xfe" * 49,
)
BODY = base64.b64encode(PARTS.vek).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{BODY[:64]}\n{BODY[64:]}\n-----END CERTIFICATE-----\n"
FIRST: dict[str, Any] = {
    "quote": {
        "message": list(PARTS.quote),
        "signature": list(PARTS.signature),
        "pcrs": [list(value) for value in PARTS.pcrs],
    },
    "report": list(PARTS.hcl),
    "vcek": PEM,
}
SECOND: dict[str, Any] = {
    "version": 2,
    "tpm_quote": {
        "message": PARTS.quote.hex(),
        "signature": PARTS.signature.hex(),
        "pcrs": [value.hex() for value in PARTS.pcrs],
    },
    "hcl_report": base64.urlsafe_b64encode(PARTS.hcl).decode(),
    "vcek": base64.urlsafe_b64encode(PARTS.vek).decode(),
}


def read(document: dict[str, Any]) -> AzureEvidence:
    return parse_azure_evidence(json.dumps(document).encode())


def test_both_forms_say_the_same() -> None:
    assert read(FIRST) == read(SECOND) == PARTS
    assert read(FIRST | {"vcek": PEM.rstrip("\n")}) == PARTS


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("report", [256], "numbers of 0 to 255"),
        ("report", [-1], "numbers of 0 to 255"),
        ("report", [True], "numbers of 0 to 255"),
        ("report", ["1"], "numbers of 0 to 255"),
        ("report", [0] * 16385, "0 to 16384 members"),
        ("report", "AAAA", "an array"),
        ("quote/message", [0] * 1025, "0 to 1024 members"),
        ("quote/message", ..., "the member"),
        ("quote/more", 1, "no unknown member"),
        ("quote/pcrs", [[0] * 32] * 23, "24 to 24 members"),
        ("quote/pcrs/0", [0] * 31, "32 bytes each"),
        ("quote/pcrs/0", 7, "32 bytes each"),
        ("vcek", "certificate", "one certificate in PEM"),
        ("vcek", PEM + PEM, "canonical base64"),
        ("vcek", PEM.replace("BEGIN", "begin"), "one certificate in PEM"),
        ("vcek", f"{PEM} ", "one certificate in PEM"),
        ("more", 1, "no unknown member"),
    ],
)
def test_a_malformed_first_form_is_refused(path: str, value: Any, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(changed(FIRST, path, value))
    assert caught.value.expected == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("hcl_report", SECOND["hcl_report"].rstrip("="), "canonical base64"),
        ("hcl_report", base64.b64encode(PARTS.hcl).decode(), "text like"),
        ("hcl_report", "A" * 21849, "text like"),
        ("vcek", "", "text like"),
        ("tpm_quote/message", "0A", "text like"),
        ("tpm_quote/message", "0", "lower-case hex"),
        ("tpm_quote/signature", [1], "a string"),
        ("tpm_quote/pcrs/3", "00", "64 lower-case hex digits"),
        ("tpm_quote/pcrs/3", [0] * 32, "strings"),
        ("tpm_quote/pcrs", ["00" * 32] * 25, "24 to 24 members"),
        ("tpm_quote/more", 1, "no unknown member"),
        ("more", 1, "no unknown member"),
        ("version", "2", "an integer"),
    ],
)
def test_a_malformed_second_form_is_refused(path: str, value: Any, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(changed(SECOND, path, value))
    assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_another_version_is_unsupported(version: int) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read(SECOND | {"version": version})
    assert (caught.value.expected, caught.value.got) == ("no version, or 2", str(version))


def test_a_long_document_is_refused_unread() -> None:
    with pytest.raises(ParseError) as caught:
        parse_azure_evidence(b" " * (MAX_SIZE + 1))
    assert caught.value.got == f"{MAX_SIZE + 1} bytes"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(AuditError):
        parse_azure_evidence(raw)
