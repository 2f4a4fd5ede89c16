"""The JSON in which Azure's evidence of an SNP guest travels: HCL report, TPM quote and VCEK.

Two forms exist. The older has no version and writes bytes as arrays of numbers, and the
certificate as PEM; version 2 has hexadecimal, and base64url with padding. Source:
confidential-containers/trustee, ``deps/verifier/src/az_snp_vtpm``, held against the evidence that
it publishes. Reading believes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.tpm_quote import PCR_COUNT, PCR_SIZE
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_base64, parse_base64url, parse_hex, parse_json

__all__ = ["MAX_SIZE", "AzureEvidence", "parse_azure_evidence"]

MAX_SIZE = 262144
"""Most bytes of a document. Genuine ones have 8 to 37 thousand."""

_WHAT = "Azure evidence"
_VERSION = 2
_MAX_MEMBER = 16384  # bytes of one member, decoded
_PEM_FIRST, _PEM_LAST = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureEvidence:
    """The parts, unread: HCL report, TPMS_ATTEST, its signature, 24 PCR values, DER of the VCEK."""

    hcl: bytes
    quote: bytes
    signature: bytes
    pcrs: tuple[bytes, ...]
    vek: bytes


def parse_azure_evidence(raw: bytes) -> AzureEvidence:
    """Read either form. Raises ParseError, and UnsupportedError for another version."""
    if len(raw) > MAX_SIZE:
        raise ParseError(_WHAT, expected=f"at most {MAX_SIZE} bytes", got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_WHAT), what=_WHAT)
    evidence = _second(document) if document.has("version") else _first(document)
    document.end()
    return evidence


def _first(document: JsonObject) -> AzureEvidence:
    quote = document.object("quote")
    pcrs = quote.array("pcrs", minimum=PCR_COUNT, maximum=PCR_COUNT)
    evidence = AzureEvidence(
        hcl=_octets(document, "report", document.array("report", maximum=_MAX_MEMBER)),
        quote=_octets(quote, "message", quote.array("message")),
        signature=_octets(quote, "signature", quote.array("signature")),
        pcrs=tuple(_pcr(quote, value) for value in pcrs),
        vek=_pem(document.text("vcek", pattern=r"[ -~\n]{1,16384}")),
    )
    quote.end()
    return evidence


def _pcr(quote: JsonObject, value: object) -> bytes:
    octets = _octets(quote, "pcrs", tuple(value) if isinstance(value, list) else (value,))
    if len(octets) != PCR_SIZE:
        raise quote.refuse("pcrs", expected=f"{PCR_SIZE} bytes each", got=f"{len(octets)} bytes")
    return octets


def _octets(item: JsonObject, name: str, values: tuple[object, ...]) -> bytes:
    octets = [value for value in values if type(value) is int and 0 <= value <= 255]
    if len(octets) != len(values):
        raise item.refuse(name, expected="numbers of 0 to 255", got="another member")
    return bytes(octets)


def _pem(text: str) -> bytes:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or (lines[0], lines[-1]) != (_PEM_FIRST, _PEM_LAST):
        expected = "one certificate in PEM"
        raise ParseError(f"{_WHAT}.vcek", expected=expected, got=excerpt(text, 30))
    return parse_base64("".join(lines[1:-1]), what=f"{_WHAT}.vcek")


def _second(document: JsonObject) -> AzureEvidence:
    version = document.integer("version")
    if version != _VERSION:
        expected = f"no version, or {_VERSION}"
        raise UnsupportedError(f"{_WHAT}.version", expected=expected, got=str(version))
    quote = document.object("tpm_quote")
    pcrs = quote.array("pcrs", minimum=PCR_COUNT, maximum=PCR_COUNT)
    evidence = AzureEvidence(
        hcl=_base64url(document, "hcl_report"),
        quote=_hex(quote, "message"),
        signature=_hex(quote, "signature"),
        pcrs=tuple(_hex_pcr(quote, value) for value in pcrs),
        vek=_base64url(document, "vcek"),
    )
    quote.end()
    return evidence


def _hex_pcr(quote: JsonObject, value: object) -> bytes:
    if not isinstance(value, str):
        raise quote.refuse("pcrs", expected="strings", got=type(value).__name__)
    return parse_hex(value, what=f"{quote.what}.pcrs", size=PCR_SIZE)


def _hex(item: JsonObject, name: str) -> bytes:
    text = item.text(name, pattern=r"[0-9a-f]{1,2048}")
    return parse_hex(text, what=f"{item.what}.{name}")


def _base64url(item: JsonObject, name: str) -> bytes:
    text = item.text(name, pattern=r"[0-9A-Za-z_=-]{1,21848}")
    return parse_base64url(text, what=f"{item.what}.{name}", padded=True)
