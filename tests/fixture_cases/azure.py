"""Containers of Azure's virtual machines, and quotes of their virtual TPM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.keys import rsa_key
from tests.fixture_cases.making_cases import MALFORMED, alone
from tests.fixture_cases.vendor import MEASUREMENT, NONCE, vendor
from tests.synthetic_hcl import PCRS, claims, container, jwk, quote, sign

__all__ = ["azure"]

_RULES: dict[str, Any] = {
    "report_data": "hcl",
    "hcl": {"quote": "nonce", "pcrs": {"4": PCRS[4].hex()}},
}


def _runtime(**changes: Any) -> bytes:
    keys = [jwk("HCLAkPub", "sign", rsa_key("vtpm")), jwk("HCLEkPub", "encrypt", rsa_key("vtpm"))]
    return json.dumps(claims(keys=keys, **changes)).encode()


def _container(runtime: bytes, *, header: dict[int, int] | None = None, of: bytes = b"") -> bytes:
    """A container around ``runtime``; the report holds the digest of ``of``, or else of that."""
    report_data = hashlib.sha256(of or runtime).digest() + bytes(32)
    report = vendor().report(report_data=report_data, measurement=MEASUREMENT)
    return container(runtime, report=report, header=header)


def _case(check: str | None, title: str, *attacks: str, **case: Any) -> Case:
    held: dict[str, bytes | None] = {
        "snp_report": None,
        "snp_hcl": _container(_runtime()),
        "snp_tpm_quote": quote(),
        "snp_tpm_signature": sign(quote(), rsa_key("vtpm")),
        "snp_tpm_pcrs": b"".join(PCRS),
    }
    held |= case.pop("held", {})
    return alone(check, title, *attacks, held=held, changed=_RULES, **case)


def azure() -> Iterator[Case]:
    """The cases."""
    assert quote() == quote(extra=NONCE)
    yield _case(
        None,
        "A container whose virtual TPM answers the nonce",
        "ATK-038",
        what="accepted-hcl",
        spec=("Azure vTPM evidence, HCL report", "TPM 2.0 part 2, TPMS_ATTEST"),
    )
    runtime = _runtime()
    yield _case(
        "snp.hcl.format",
        "Beside the container lies another report than the one in it",
        "ATK-094",
        what="another-report",
        held={"snp_report": vendor().report(measurement=MEASUREMENT)},
        **MALFORMED,
    )
    yield _case(
        "snp.hcl.format",
        "The container does not begin as one, so that there is no report either",
        "ATK-012",
        what="signature",
        held={"snp_hcl": _container(runtime, header={0: 0})},
        **MALFORMED,
    )
    other = _runtime(**{"user-data": "0B" * 64})
    yield _case(
        "snp.hcl.runtime_data",
        "The runtime data, with the key of the TPM, is not what the report was asked for with",
        "ATK-034",
        held={"snp_hcl": _container(runtime, of=other)},
    )
    stale = quote(extra=bytes(32))
    yield _case(
        "snp.hcl.quote",
        "The quote answers another nonce",
        "ATK-038",
        what="replayed",
        held={"snp_tpm_quote": stale, "snp_tpm_signature": sign(stale, rsa_key("vtpm"))},
    )
    flipped = bytearray(sign(quote(), rsa_key("vtpm")))
    flipped[-1] ^= 1
    yield _case(
        "snp.hcl.quote",
        "Nobody signed the quote",
        what="signature",
        held={"snp_tpm_signature": bytes(flipped)},
    )
    pcrs = bytearray(b"".join(PCRS))
    pcrs[4 * 32] ^= 1
    yield _case(
        "snp.hcl.quote",
        "A register has another value than was quoted",
        what="register",
        held={"snp_tpm_pcrs": bytes(pcrs)},
    )
    yield _case(
        "snp.hcl.quote",
        "The container brings no quote, so that nothing of it is fresh",
        "ATK-013",
        "ATK-038",
        what="missing",
        held={"snp_tpm_quote": None},
        **MALFORMED,
    )
