"""Which checks other SEV-SNP verifiers make, and which of ours answer each: facts with their date.

Source: a survey of September 2026. go-sev-guest and tinfoil-python were run; every other column was
read in the source, and the one of contrast is inferred from its options and from go-sev-guest.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REVISIONS", "ROWS", "VERIFIERS", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question; ``others`` in the order of ``VERIFIERS``, our checks, and words besides."""

    question: str
    others: tuple[str, ...]
    checks: tuple[str, ...] = ()
    words: str = ""


VERIFIERS = (
    "go-sev-guest",
    "snpguest",
    "trustee",
    "tinfoil",
    "contrast",
    "a-rs",
    "dstack",
)

REVISIONS = (
    ("go-sev-guest", "af1c107 (2025-11-19, about v0.14.1); v0.15.0 (2026-06-09) from its threads"),
    ("snpguest", "d3a2aed (2026-06-23)"),
    ("trustee", "78962cd (2026-08-21)"),
    ("tinfoil", "Go: 77e6820 (2026-02); Python: 3f5ad6d (2026-07-22)"),
    ("contrast", "validator.go@13d376c, manifest.go@a2046ed, validators.go@d29ce7c"),
    ("attestation-rs (a-rs)", "67ee36f (read 2026)"),
    ("dstack", "312dc60 (read 2026)"),
)
"""What each column was read at."""

ROWS = (
    Row(
        question="ARK pinned, never from evidence",
        others=("**N <= 0.14.1**, Y >= 0.15", "N", "Y", "Y", "Y", "Y", "Y"),
        checks=(
            "snp.chain.root",
            "snp.vek.signature",
        ),
    ),
    Row(
        question="ASK/ASVK PSS under ARK",
        others=("Y¹", "Y²", "Y", "Y", "Y", "Y", "Y"),
        words="both keys are pinned; tests hold one against the other",
    ),
    Row(
        question="leaf PSS under ASK",
        others=("Y¹", "Y²", "Y", "Y", "Y", "Y", "Y"),
        checks=("snp.vek.signature",),
    ),
    Row(
        question="certificate dates",
        others=("Y", "N", "N", "Y", "Y", "Y", "N"),
        checks=(
            "snp.chain.validity",
            "snp.vek.validity",
        ),
    ),
    Row(
        question="verification at a chosen time",
        others=("opt (Now)", "N", "N", "N", "N", "N", "N"),
        words="option `--at`, for every check",
    ),
    Row(
        question="CRL signature + ASK revoked",
        others=("opt (off)", "N", "N", "N", "Y", "wrong serial", "N"),
        checks=(
            "snp.crl.signature",
            "snp.chain.revocation",
        ),
    ),
    Row(
        question="CRL freshness",
        others=("opt", "N", "N", "N", "Y", "N", "N"),
        checks=("snp.crl.freshness",),
    ),
    Row(
        question="leaf names/alg/curve",
        others=("Y", "N", "N", "Y", "Y", "partly", "n/s"),
        checks=(
            "snp.vek.format",
            "snp.vek.issuer",
        ),
    ),
    Row(
        question="report signature",
        others=("Y", "Y", "Y", "Y", "Y", "Y", "Y"),
        checks=("snp.report.signature",),
    ),
    Row(
        question="…over received bytes, not re-encoded",
        others=("N", "N", "N", "N / Y(py)", "N", "N", "n/s"),
        checks=("snp.report.signature",),
    ),
    Row(
        question="r,s padding zero / tail zero",
        others=("Y", "N", "N", "Y", "Y", "N", "N"),
        checks=(
            "snp.report.format",
            "snp.report.unsigned_tail",
        ),
    ),
    Row(
        question="SIGNING_KEY ↔ certificate type",
        others=("Y", "N", "N", "Y", "Y", "N", "VCEK only"),
        checks=(
            "snp.report.signing_key",
            "snp.signing_key.allowed",
        ),
    ),
    Row(
        question="MASK_CHIP_KEY reported as reason",
        others=("N", "N", "N", "partly", "N", "N", "Y"),
        checks=("snp.report.signing_key",),
    ),
    Row(
        question="REPORTED_TCB == certificate SPLs",
        others=("Y", "last byte, skips missing", "Y", "Y", "Y", "Y", "**N**"),
        checks=("snp.tcb.reported_equals_certificate",),
    ),
    Row(
        question="FMC (Turin)",
        others=("N (rejects)", "Y", "Y (not az)", "Go Aug 2026", "N", "Y", "n/s"),
        checks=("snp.tcb.reported_equals_certificate",),
    ),
    Row(
        question="CHIP_ID == hwID",
        others=("Y", "**dead**", "**dead**", "Y", "Y", "Y", "**N**"),
        checks=("snp.chip_id.equals_certificate",),
    ),
    Row(
        question="all-zero CHIP_ID refused",
        others=("N (skips)", "N", "KDS path", "N", "N", "n/s", "N"),
        checks=("snp.chip_id.equals_certificate",),
        words="unless the policy allows it",
    ),
    Row(
        question="productName ↔ CPUID",
        others=("Y", "N", "N", "Y (Genoa)", "Y", "n/s", "N"),
        checks=("snp.product.agreement",),
    ),
    Row(
        question="unknown version refused",
        others=("Y", "N", "Y", "Y / N(py)", "Y", "Y", "Y"),
        checks=(
            "snp.report.format",
            "snp.report.version",
        ),
    ),
    Row(
        question="reserved bytes zero",
        others=("Y", "N", "N", "Y", "Y", "N", "N"),
        checks=("snp.report.format",),
    ),
    Row(
        question="unknown policy/platform bit named, not crash",
        others=("N", "N", "N", "N", "N", "N", "N"),
        checks=("snp.report.unknown_bits",),
    ),
    Row(
        question="DEBUG=0",
        others=("Y", "N", "claim", "Y", "Y", "Y", "Y"),
        checks=("snp.policy.debug",),
    ),
    Row(
        question="MIGRATE_MA=0",
        others=("Y", "N", "claim", "Y", "Y", "N", "Y"),
        checks=(
            "snp.policy.migrate",
            "snp.migration_agent",
        ),
    ),
    Row(
        question="SMT/single-socket/CXL/XTS/RAPL/CTH/page-swap",
        others=("Y (max)", "N", "2 claims", "Y", "Y", "N", "N"),
        checks=(
            "snp.policy.smt",
            "snp.policy.cxl",
            "snp.policy.restrictions",
        ),
    ),
    Row(
        question="VMPL",
        others=("opt", "N", "Y (0)", "opt (off)", "Y (0)", "Y (0)", "Y (0)"),
        checks=("snp.vmpl",),
    ),
    Row(
        question="VMPL 0xFFFFFFFF refused by default",
        others=("N", "N", "Y", "N", "Y", "Y", "Y"),
        checks=("snp.vmpl",),
    ),
    Row(
        question="committed/current TCB + build relation",
        others=("Y", "N", "N", "Y", "Y (provisional ok)", "N", "equal only"),
        checks=(
            "snp.tcb.order",
            "snp.firmware.order",
            "snp.firmware.provisional",
        ),
    ),
    Row(
        question="min REPORTED TCB",
        others=("opt", "N", "claim", "Y", "Y", "opt", "N"),
        checks=("snp.tcb.reported_minimum",),
    ),
    Row(
        question="min LAUNCH TCB",
        others=("opt", "N", "N", "Y", "Y", "N", "N"),
        checks=("snp.tcb.launch_minimum",),
    ),
    Row(
        question="min ABI / build",
        others=("opt", "N", "claim", "Y", "Y", "N", "N"),
        checks=(
            "snp.policy.abi",
            "snp.firmware.minimum",
        ),
    ),
    Row(
        question="ALIAS_CHECK_COMPLETE can be required",
        others=("N (max only)", "N", "N", "Y, default off", "N", "N", "N"),
        checks=("snp.platform_info",),
    ),
    Row(
        question="mitigation vector floors",
        others=("opt", "N", "N", "N", "n/s", "N", "N"),
        checks=("snp.mitigations",),
    ),
    Row(
        question="REPORT_DATA",
        others=("opt", "opt", "Y", "Y", "Y", "opt", "Y"),
        checks=("snp.report_data",),
    ),
    Row(
        question="HOST_DATA",
        others=("opt", "opt", "Y (init-data)", "opt", "Y", "opt", "Y"),
        checks=("snp.host_data",),
    ),
    Row(
        question="MEASUREMENT vs reference",
        others=("opt", "opt", "claim", "Y", "Y", "claim", "Y"),
        checks=(
            "snp.measurement",
            "release.measurement",
        ),
    ),
    Row(
        question="MEASUREMENT recomputed from binaries",
        others=("N", "separate command", "N", "at build", "at build", "N", "Y (from parts)"),
        checks=("snp.measurement.explained",),
        words="and the command `measure sev-snp`",
    ),
    Row(
        question="ID key / author key digest",
        others=("opt", "opt", "N", "N", "Y", "N", "N"),
        checks=(
            "snp.id_key",
            "snp.author_key",
        ),
    ),
    Row(
        question="GUEST_SVN, FAMILY/IMAGE id",
        others=("opt", "N", "N", "opt", "partly", "N", "N"),
        checks=(
            "snp.guest_svn",
            "snp.family_id",
            "snp.image_id",
        ),
    ),
    Row(
        question="chip allow-list",
        others=("opt (one)", "N", "N", "Y (machines.json)", "Y", "N", "N"),
        checks=(
            "host.enrolled",
            "snp.chip.enrolled",
        ),
    ),
    Row(
        question="VLEK CSP_ID expected provider",
        others=("N", "N", "N", "N", "N", "N", "N"),
        checks=("snp.signing_key.allowed",),
    ),
    Row(
        question="Azure HCL runtime binding",
        others=("N", "N", "Y", "N", "N", "Y", "N"),
        checks=("snp.hcl.runtime_data",),
    ),
    Row(
        question="Bergamo/Siena genuine v5",
        others=("**panic**", "Y", "Y", "N", "N", "Y", "N"),
        words="accepted (tests of genuine reports)",
    ),
    Row(
        question="Turin genuine v5",
        others=("rejected", "Y", "Y", "Aug 2026 / N(py)", "N", "Y", "N"),
        words="accepted (tests of genuine reports)",
    ),
    Row(
        question="Venice / ETCB",
        others=("N", "N", "N", "N", "N", "N", "N"),
        words="no",
    ),
    Row(
        question="per-check machine-readable result",
        others=("N", "N", "claims", "partly", "N", "partly", "partly"),
        words="every check, in every format",
    ),
)
