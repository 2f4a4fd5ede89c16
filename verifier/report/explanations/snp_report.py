"""Pages of the checks that make an SEV-SNP report authentic."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["REPORT"]

REPORT = (
    Explanation(
        check="snp.report.format",
        proves="The report is exactly 1184 bytes of a version with a known layout, its signature "
        "algorithm is ECDSA P-384 with SHA-384, every byte that its version reserves is zero, and "
        "POLICY bit 17 is one.",
        does_not_prove="That a processor made it.",
        fails_when="Something is wrapped around the report or appended to it (a container, a "
        "certificate table), or the firmware writes a version that this release does not know. "
        "Such a version is refused unless the policy names it in `report_versions`; it is then "
        "read by the newest known layout, and the verdict is at best PARTIAL.",
        do="Take the report out of what it came in, or use a newer release of this program.",
        attacks=("ATK-012", "ATK-048"),
    ),
    Explanation(
        check="snp.report.unknown_bits",
        proves="No bit is set in POLICY, PLATFORM_INFO or KEY_INFO whose meaning this release does "
        "not know, or only such bits as the policy names.",
        does_not_prove="That a bit which the policy names is harmless; the auditor takes that on, "
        "and the verdict is at best PARTIAL.",
        fails_when="The firmware is newer than this release. The fields are signed, so this is "
        "rarely an attack; but a bit nobody can read may be a permission.",
        do="Use a newer release of this program. Where the meaning is known from the vendor's "
        "document, name the bit in the policy's `unknown_bits`.",
        attacks=("ATK-010", "ATK-012"),
    ),
    Explanation(
        check="snp.report.signing_key",
        proves="SIGNING_KEY in the report names the kind of key that the certificate is for, and "
        "MASK_CHIP_KEY is not set.",
        does_not_prove="That this key signed; that is `snp.report.signature`.",
        fails_when="A VLEK's report is shown with a VCEK or the reverse, or the host masks the "
        "chip key: then the firmware writes no signature at all, and the finding says so.",
        do="Put the certificate of the right kind beside the report. A masked key is a setting of "
        "the host; nothing can be verified until it is taken back.",
        attacks=("ATK-002",),
    ),
    Explanation(
        check="snp.report.unsigned_tail",
        proves="The 368 bytes after the signature, which nobody signs, are all zero. So one report "
        "has one form but for the signature's own.",
        does_not_prove="That the 1184 bytes are unique: ECDSA has a second valid signature for "
        "each. Reports are told apart by their signed bytes, not by a digest of the whole.",
        fails_when="Somebody wrote into the tail, to smuggle something along or to make a known "
        "report look new.",
        do="Capture again from the guest. Do not zero the tail yourself.",
        attacks=("ATK-012",),
    ),
    Explanation(
        check="snp.report.signature",
        proves="The key of the authentic certificate signed the first 672 bytes of the report "
        "exactly as they were received; r and s are in range. Every field of the report is then "
        "the word of the firmware of that chip.",
        does_not_prove="That the firmware tells the truth: firmware below the reported TCB can lie "
        "in every field, which is why the certificate decides on the TCB. Nor that nobody opened "
        "the machine.",
        fails_when="A bit of the report was changed, or the certificate is of another chip or TCB: "
        "after a firmware update the old VCEK no longer fits.",
        do="Fetch the VCEK for the report's CHIP_ID and REPORTED_TCB anew. If it still fails, the "
        "report was changed after it was made.",
        attacks=("ATK-001",),
    ),
    Explanation(
        check="snp.tcb.reported_equals_certificate",
        proves="REPORTED_TCB equals the security patch levels in the certificate, component by "
        "component (with FMC on Turin). The key is derived from the chip's secret and these "
        "levels, so the certificate is the authority and the report only repeats it.",
        does_not_prove="That the level is high enough; `snp.tcb.reported_minimum` asks that. On "
        "Milan, published work makes keys for any level.",
        fails_when="The VCEK was fetched for another TCB, as happens around firmware updates, or a "
        "report claims a higher TCB than its key was derived for.",
        do="Fetch the VCEK for the REPORTED_TCB of this report.",
        attacks=("ATK-003",),
    ),
    Explanation(
        check="snp.tcb.order",
        proves="Each component of REPORTED_TCB is at most that of COMMITTED_TCB, and each of that "
        "at most that of CURRENT_TCB, as the firmware guarantees.",
        does_not_prove="That committed and current are equal: between an update and its commit the "
        "host can still roll back, which `snp.firmware.provisional` judges. LAUNCH_TCB is not "
        "ordered.",
        fails_when="No firmware that works writes such a report. A reserved byte of a TCB that is "
        "not zero is refused here too.",
        do="Keep the report and tell the vendor.",
        attacks=("ATK-005",),
    ),
    Explanation(
        check="snp.firmware.order",
        proves="The committed firmware version is not newer than the running one.",
        does_not_prove="That the running one is recent; `snp.firmware.minimum` asks that.",
        fails_when="No firmware that works writes such a report.",
        do="Keep the report and tell the vendor.",
        attacks=("ATK-005",),
    ),
    Explanation(
        check="snp.chip_id.equals_certificate",
        proves="CHIP_ID in the report is the hwID of the VCEK: the full 64 bytes, or on Turin 8 "
        "bytes and zeros. A VLEK names no chip, so there is nothing to compare, and the status is "
        "info.",
        does_not_prove="That this chip is the operator's. Any genuine chip passes; `host.enrolled` "
        "and `snp.chip.enrolled` ask whose it is.",
        fails_when="The certificate is another chip's, or MASK_CHIP_ID hides the chip: all zero is "
        "never taken for a match, and only passes by as info where the policy allows a masked "
        "chip.",
        do="Fetch the VCEK of this chip, or have the host unmask it.",
        attacks=("ATK-006",),
    ),
    Explanation(
        check="snp.product.agreement",
        proves="The report (CPUID family and model; in version 2, the length of CHIP_ID), the "
        "productName of the certificate and the pinned vendor key all name one product line.",
        does_not_prove="That the line can be trusted: see `snp.product.warning`.",
        fails_when="A chain of one product is put under a report of another, or the CPU model is "
        "not known to this release.",
        do="For a new model, use a newer release of this program. Otherwise the pieces do not "
        "belong together: capture again.",
        attacks=("ATK-002",),
    ),
)
"""The report, in the order of the registry."""
