"""Pages of the checks of how recent the firmware under an SEV-SNP report is."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["LEVELS"]

LEVELS = (
    Explanation(
        check="snp.tcb.reported_minimum",
        proves="Each component of REPORTED_TCB is at least that of the floor for the product. It "
        "is the TCB that the key was derived for, so it is the only one that cryptography shows.",
        does_not_prove="That firmware at the floor has no hole. Vendors publish few of the "
        "numbers, and a floor is as good as the day on which it was written.",
        fails_when="The platform was not updated, or its operator holds REPORTED_TCB down. "
        "Compared as one number, a high microcode level would hide a low SNP level; it is never "
        "compared so.",
        do="The finding names the components that are below. Update the platform and fetch the "
        "VCEK of the new TCB.",
        attacks=("ATK-004", "ATK-016"),
    ),
    Explanation(
        check="snp.tcb.launch_minimum",
        proves="Each component of LAUNCH_TCB, the firmware's word of the TCB at launch or import "
        "of the guest, is at least that of the floor.",
        does_not_prove="More than the firmware at REPORTED_TCB is worth: it is that firmware's "
        "word.",
        fails_when="The platform was updated under a running guest: what happened to the guest "
        "before the update, the old firmware allowed.",
        do="Restart the guest on the updated platform.",
        attacks=("ATK-004", "ATK-005"),
    ),
    Explanation(
        check="snp.tcb.committed_minimum",
        proves="Each component of COMMITTED_TCB is at least that of the floor, so the host cannot "
        "go back below it.",
        does_not_prove="That the running firmware is the committed one.",
        fails_when="An update was loaded and not committed.",
        do="Have the operator commit it (SNP_COMMIT).",
        attacks=("ATK-004", "ATK-005"),
    ),
    Explanation(
        check="snp.firmware.provisional",
        proves="The running firmware and TCB are also the committed ones, so the host cannot roll "
        "back to older ones.",
        does_not_prove="That they are recent.",
        fails_when="The operator tries an update before committing it, which is usual for some "
        "days; or keeps a way back to firmware with a known hole.",
        do="Ask for SNP_COMMIT, or allow provisional firmware and set a floor for COMMITTED_TCB.",
        attacks=("ATK-005",),
    ),
    Explanation(
        check="snp.mitigations",
        proves="Every bit of the policy's mask is set in LAUNCH_MIT_VECTOR and in "
        "CURRENT_MIT_VECTOR.",
        does_not_prove="What a bit means: the vendor names them in bulletins only, and no list of "
        "reference masks is published. Set at launch and now is not the same as always.",
        fails_when="The report is older than version 5, which has no such vectors, or a mitigation "
        "came by an update after the launch of the guest.",
        do="Update the platform and restart the guest. Take a mask from a bulletin, not from a "
        "report that happened to be at hand.",
        attacks=("ATK-016",),
    ),
    Explanation(
        check="snp.firmware.minimum",
        proves="The SNP firmware that runs, as it states itself, has at least the version "
        "`minimum_firmware` (major, minor, build).",
        does_not_prove="More than that firmware's word is worth. Some fixes have a build number "
        "and no published TCB level; BadRAM's is one.",
        fails_when="The platform was not updated.",
        do="Update it, and restart the guest.",
        attacks=("ATK-016",),
    ),
)
"""Levels; the registry's order is that of ``EXPLANATIONS``."""
