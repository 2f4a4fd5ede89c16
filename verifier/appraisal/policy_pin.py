"""Writes a policy from what was verified: this measurement, this chip, nothing weaker.

Pinning is trust on first use: it says that later evidence must be like this one, and nothing about
whether this one was what it should be. Everything else is the policy under which it was verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.evidence.snp_bits import PLATFORM_BITS, RESTRICTIONS, set_bits
from verifier.evidence.tcb import Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = ["encode_toml", "pinned_rules"]


def pinned_rules(rules: Mapping[str, Any], authentic: AuthenticReport) -> dict[str, Any]:
    """``rules`` of ``[sev_snp]``, held to what the report says.

    Never weaker than before: a permission stays forbidden that was, what is bound to a nonce or to
    the container stays bound to it.
    """
    report, certificate = authentic.report, authentic.vek.certificate
    granted = report.guest_policy
    by_provider = certificate.kind is VekKind.VLEK
    on = set_bits(report.platform_info, PLATFORM_BITS)
    bound = rules["report_data"] in ("nonce", "session", "hcl")
    masked = not any(report.chip_id)
    no_chip = {"not_checked": "the report names no chip"}
    return {
        **rules,
        "products": [str(authentic.product)],
        "report_versions": [report.version],
        "signing_keys": [str(certificate.kind)],
        "csp_ids": [certificate.csp_id] if by_provider else [],
        "vmpls": ["host" if report.host_requested else report.vmpl],
        "restrictions_required": [n for n, bit in RESTRICTIONS.items() if report.policy >> bit & 1],
        "minimum_abi": f"{granted.abi_major}.{granted.abi_minor}",
        "platform_info_required": list(on),
        "minimum_firmware": str(report.current_firmware),
        "minimum_reported_tcb": {str(authentic.product): _levels(authentic.tcbs.reported)},
        "minimum_launch_tcb": {str(authentic.product): _levels(authentic.tcbs.launch)},
        "minimum_committed_tcb": {str(authentic.product): _levels(authentic.tcbs.committed)},
        "mitigations": _mitigations(rules, authentic),
        "minimum_guest_svn": report.guest_svn,
        "measurement": [report.measurement.hex()],
        "report_data": rules["report_data"] if bound else [report.report_data.hex()],
        "host_data": [report.host_data.hex()],
        "family_id": [report.family_id.hex()],
        "image_id": [report.image_id.hex()],
        "id_key": [report.id_key_digest.hex()],
        "migration_agent": [report.report_id_ma.hex()],
        "chip_ids": no_chip if masked else [report.chip_id.hex()],
    } | ({"author_key": [report.author_key_digest.hex()]} if report.author_key_enabled else {})


def _levels(tcb: Tcb) -> dict[str, int]:
    fmc = {} if tcb.fmc is None else {"fmc": tcb.fmc}
    return fmc | {
        "bootloader": tcb.bootloader,
        "tee": tcb.tee,
        "snp": tcb.snp,
        "microcode": tcb.microcode,
    }


def _mitigations(rules: Mapping[str, Any], authentic: AuthenticReport) -> Any:
    report = authentic.report
    both = (report.launch_mitigation_vector or 0) & (report.current_mitigation_vector or 0)
    if not both:
        reason = {"not_checked": "the report has no mitigation that is in force"}
        asked = rules["mitigations"]
        return asked if "not_checked" in asked else reason
    return {str(authentic.product): f"{both:#x}"}


def encode_toml(document: Mapping[str, Any]) -> str:
    """A policy document as TOML: scalars first, then its tables, each key on a line."""
    return "\n".join(_table(document, "")).lstrip("\n") + "\n"


def _table(table: Mapping[str, Any], name: str) -> list[str]:
    inner = {key: value for key, value in table.items() if _is_table(value)}
    lines = ["", f"[{name}]"] if name and (len(inner) < len(table) or not table) else []
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if key not in inner]
    for key, value in inner.items():
        lines += _table(value, f"{name}.{key}" if name else key)
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and "not_checked" not in value


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    if "\n" in text and "'''" not in text:
        return f"'''\n{text}'''"
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML basic string
