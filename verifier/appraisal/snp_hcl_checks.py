"""Holds Azure's HCL container together: report, runtime data, and the quote of the virtual TPM.

The chain goes from the SNP report to the guest: the report holds the digest of the runtime data,
the runtime data holds the key of the virtual TPM, and that key signs a quote over the auditor's
nonce and the registers into which the guest was measured. So all of it counts only together with
an authentic report from VMPL 0. Freshness lies in the quote alone: the report is as old as the
boot. Source: TCG TPM 2.0 Library, part 2; ``verifier.evidence.hcl``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from verifier.appraisal.findings import Finding, compared
from verifier.appraisal.ledger import Ledger
from verifier.errors import VerificationError
from verifier.evidence.hcl import HclReport, VtpmKey, parse_hcl
from verifier.evidence.tpm_quote import (
    SignedTpmQuote,
    TpmQuote,
    parse_pcrs,
    parse_tpm_quote,
    verify_tpm_quote,
)

__all__ = ["HCL_CHECKS", "HclChecked", "HclEvidence", "HclExpectation", "check_hcl"]

HCL_CHECKS = ("snp.hcl.format", "snp.hcl.runtime_data", "snp.hcl.quote")
"""The checks made here, in this order."""

_REPORT_DATA = slice(0x50, 0x90)  # SNP ABI, ATTESTATION_REPORT
_CONTAINER, _QUOTE = "snp-hcl", "snp-tpm-quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class HclEvidence:
    """What came: the container; TPMS_ATTEST, its signature, the 24 SHA-256 registers (768 bytes).

    The last three are None where the evidence brings no quote.
    """

    container: bytes
    quote: bytes | None
    signature: bytes | None
    pcrs: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HclExpectation:
    """What the auditor expects: the nonce that the quote must answer, and register values.

    ``nonce`` None: there is none, so the quote cannot be judged fresh, and is not judged.
    ``pcrs``: index 0 to 23 to the 32 bytes that the register must hold. ``quote_not_checked``: why
    nobody asks for a quote, or empty.
    """

    nonce: bytes | None
    pcrs: Mapping[int, bytes]
    quote_not_checked: str


@dataclass(frozen=True, slots=True)
class HclChecked:
    """The findings of ``HCL_CHECKS``, and the 1184 bytes of the SNP report inside.

    ``report`` is None where the container could not be read; else it is still to be parsed and
    authenticated like any other.
    """

    findings: tuple[Finding, ...]
    report: bytes | None


def check_hcl(evidence: HclEvidence, *, expected: HclExpectation) -> HclChecked:
    """Make the checks of ``HCL_CHECKS``."""
    ledger = Ledger()
    hcl = ledger.attempt(
        "snp.hcl.format",
        lambda: parse_hcl(evidence.container),
        expected="a container with an SNP report and runtime data",
        got=lambda read: f"version {read.version}, {len(read.claims_raw)} bytes of runtime data",
        source=_CONTAINER,
    )
    if hcl is None:
        reason = "the container could not be read"
        ledger.skip(HCL_CHECKS[1:], reason=reason, source=_CONTAINER)
        return HclChecked(ledger.findings, None)
    ledger.record((_runtime(hcl),))
    _check_quote(ledger, evidence, hcl.claims.attestation_key, expected)
    return HclChecked(ledger.findings, hcl.report)


def _runtime(hcl: HclReport) -> Finding:
    report_data = hcl.report[_REPORT_DATA]
    digest = sha256(hcl.claims_raw).digest()
    return compared(
        "snp.hcl.runtime_data",
        holds=report_data == digest.ljust(len(report_data), b"\0"),
        expected=f"{digest.hex()} and {len(report_data) - len(digest)} zero bytes",
        got=report_data.hex(),
        source=_CONTAINER,
        hint="the runtime data is not the one that the report was asked for with",
    )


@dataclass(frozen=True, slots=True)
class _Quoted:
    message: bytes
    signature: bytes
    pcrs: bytes


def _check_quote(
    ledger: Ledger, evidence: HclEvidence, key: VtpmKey, expected: HclExpectation
) -> None:
    check = HCL_CHECKS[2]
    if expected.quote_not_checked:
        ledger.skip((check,), reason=expected.quote_not_checked, source=_QUOTE)
        return
    quote, signature, pcrs = evidence.quote, evidence.signature, evidence.pcrs
    if quote is None or signature is None or pcrs is None:
        parts = {"snp-tpm-quote": quote, "snp-tpm-signature": signature, "snp-tpm-pcrs": pcrs}
        ledger.missing((check,), role=next(role for role, part in parts.items() if part is None))
        return
    if expected.nonce is None:
        reason = "no nonce was given, and the bundle records none"
        ledger.skip((check,), reason=reason, source=_QUOTE)
        return
    quoted, nonce = _Quoted(quote, signature, pcrs), expected.nonce
    ledger.attempt(
        check,
        lambda: _verify(quoted, key, nonce, expected.pcrs),
        expected=f"a quote by HCLAkPub for nonce {nonce.hex()}",
        got=lambda signed: f"such a quote, over PCRs {_listed(signed.quote.pcrs)}",
        source=_QUOTE,
    )


def _verify(
    quoted: _Quoted, key: VtpmKey, nonce: bytes, expected: Mapping[int, bytes]
) -> SignedTpmQuote:
    quote, values = parse_tpm_quote(quoted.message), parse_pcrs(quoted.pcrs)
    if key.use != "sign":
        raise VerificationError("HCLAkPub.key_ops", expected="sign", got=key.use)
    signed = verify_tpm_quote(quote, signature=quoted.signature, modulus=key.modulus)
    _check_extra(quote, nonce)
    _check_values(quote, values, expected)
    return signed


def _check_extra(quote: TpmQuote, nonce: bytes) -> None:
    if quote.extra != nonce:
        got = quote.extra.hex() or "nothing"
        raise VerificationError("TPM quote, extraData", expected=nonce.hex(), got=got)


def _check_values(
    quote: TpmQuote, values: tuple[bytes, ...], expected: Mapping[int, bytes]
) -> None:
    digest = quote.digest_of(values)
    if quote.pcr_digest != digest:
        expected_digest = f"{digest.hex()}, of the given registers"
        got = quote.pcr_digest.hex()
        raise VerificationError("TPM quote, pcrDigest", expected=expected_digest, got=got)
    for index, value in sorted(expected.items()):
        got = values[index].hex() if index in quote.pcrs else "it is not quoted"
        if got != value.hex():
            raise VerificationError(f"PCR {index}", expected=value.hex(), got=got)


def _listed(pcrs: tuple[int, ...]) -> str:
    whole = pcrs == tuple(range(pcrs[0], pcrs[-1] + 1))
    return f"{pcrs[0]} to {pcrs[-1]}" if whole else " ".join(map(str, pcrs))
