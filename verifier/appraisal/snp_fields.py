"""Every field of a report and of its certificate: the checks that look at it, or why none does.

A verdict that is silent about a field lets the reader believe that somebody looked (ATK-013).
Source: SNP firmware ABI (AMD publication 56860), ATTESTATION_REPORT; KDS specification (AMD
publication 57230), VCEK certificate format.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.findings import Finding, Status, finding

__all__ = ["CERTIFICATE_FIELDS", "REPORT_FIELDS", "UNJUDGED", "unjudged_fields"]

REPORT_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "version": ("snp.report.format", "snp.report.version"),
        "guest_svn": ("snp.guest_svn", "snp.id_block.fields"),
        "policy": (
            "snp.report.unknown_bits",
            "snp.policy.debug",
            "snp.policy.migrate",
            "snp.policy.smt",
            "snp.policy.cxl",
            "snp.policy.restrictions",
            "snp.policy.abi",
            "snp.id_block.fields",
        ),
        "family_id": ("snp.family_id", "snp.id_block.fields"),
        "image_id": ("snp.image_id", "snp.id_block.fields"),
        "vmpl": ("snp.vmpl", "release.expected_evidence"),
        "signature_algorithm": ("snp.report.format",),
        "current_tcb": ("snp.tcb.order", "snp.firmware.provisional"),
        "platform_info": (
            "snp.report.unknown_bits",
            "snp.platform_info",
            "snp.platform_info.forbidden",
        ),
        "key_info": ("snp.report.unknown_bits", "snp.report.signing_key", "snp.author_key"),
        "report_data": ("snp.report_data", "snp.hcl.runtime_data"),
        "measurement": ("snp.measurement", "release.measurement", "snp.id_block.fields"),
        "host_data": ("snp.host_data",),
        "id_key_digest": ("snp.id_key", "snp.id_block.fields"),
        "author_key_digest": ("snp.author_key", "snp.id_block.fields"),
        "report_id": (),
        "report_id_ma": ("snp.migration_agent",),
        "reported_tcb": ("snp.tcb.reported_equals_certificate", "snp.tcb.reported_minimum"),
        "cpuid": ("snp.product.agreement",),
        "chip_id": ("snp.chip_id.equals_certificate", "snp.chip.enrolled"),
        "committed_tcb": ("snp.tcb.order", "snp.tcb.committed_minimum"),
        "current_firmware": ("snp.firmware.order", "snp.firmware.minimum"),
        "committed_firmware": ("snp.firmware.order", "snp.firmware.provisional"),
        "launch_tcb": ("snp.tcb.launch_minimum",),
        "launch_mitigation_vector": ("snp.mitigations",),
        "current_mitigation_vector": ("snp.mitigations",),
        "signature_r": ("snp.report.signature",),
        "signature_s": ("snp.report.signature",),
        "tail": ("snp.report.unsigned_tail",),
    }
)
"""Field of ``AttestationReport`` to the checks that look at it."""

CERTIFICATE_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tbs": ("snp.vek.signature",),
        "signature": ("snp.vek.signature",),
        "kind": ("snp.vek.issuer", "snp.report.signing_key", "snp.signing_key.allowed"),
        "serial": (),
        "issuer": ("snp.vek.issuer",),
        "issuer_common_name": ("snp.vek.issuer",),
        "subject": ("snp.vek.issuer",),
        "not_before": ("snp.vek.validity",),
        "not_after": ("snp.vek.validity",),
        "public_key": ("snp.report.signature",),
        "struct_version": ("snp.vek.format",),
        "product_name": ("snp.vek.format",),
        "product": ("snp.product.agreement", "snp.product.allowed"),
        "tcb": ("snp.tcb.reported_equals_certificate",),
        "hw_id": ("snp.chip_id.equals_certificate", "snp.chip.denied", "host.enrolled"),
        "csp_id": ("snp.signing_key.allowed",),
    }
)
"""Field of ``VekCertificate`` to the checks that look at it."""

UNJUDGED: Mapping[str, str] = MappingProxyType(
    {
        "REPORT_ID": "random for every guest, so there is nothing to expect",
        "serial number of the VEK": "the vendor gives every VEK the same one, 0",
        "stepping in productName": "no statement of a release or policy names one",
    }
)
"""The fields, or parts of them, that no check looks at, and why."""

_LINE = finding(
    "snp.fields.unjudged",
    Status.INFO,
    expected="to be named",
    got="; ".join(f"{name}: {reason}" for name, reason in UNJUDGED.items()),
    source="snp-report",
)


def unjudged_fields() -> Finding:
    """The line of a verdict that names the fields of ``UNJUDGED``."""
    return _LINE
